import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { onnxMissing } from '../helpers/example-models.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../helpers/otlp-receiver.ts';
import { spawnServer } from '../helpers/server-process.ts';

const CALLER = 'c'.repeat(16);
const SECRET_CELL = 8675309.25;
const TRACES = {
  predict: '1'.repeat(32),
  openInference: '2'.repeat(32),
  lines: '3'.repeat(32),
  refused: '4'.repeat(32),
};

describe('traces of rows', { skip: onnxMissing }, () => {
  let collector: OtlpReceiver;

  before(async () => {
    collector = await startOtlpReceiver();
    const server = spawnServer({
      MODELS: 'sklearn-iris',
      DROP: 'off',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    });
    try {
      const url = await server.url;
      const ask = async (traceId: string, path: string, body: string, type = 'application/json') => {
        const headers = { 'content-type': type, traceparent: `00-${traceId}-${CALLER}-01` };
        return (await fetch(`${url}${path}`, { method: 'POST', headers, body })).status;
      };
      const rows = Array.from({ length: 1500 }, () => [5.1, 3.5, 1.4, 0.2]);
      const statuses = [
        await ask(TRACES.predict, '/predict', JSON.stringify({ instances: rows })),
        await ask(
          TRACES.openInference,
          '/v2/models/sklearn-iris/infer',
          JSON.stringify({ inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [5, 3, 1, 0.2] }] }),
        ),
        await ask(
          TRACES.lines,
          '/invocations',
          '[5.1,3.5,1.4,0.2]\n["one",2,3,4]\n[6,3,5,2]\n',
          'application/jsonlines',
        ),
        await ask(TRACES.refused, '/predict', JSON.stringify({ instances: [[SECRET_CELL]] })),
      ];
      assert.deepEqual(statuses, [200, 200, 200, 400]);
    } finally {
      server.child.kill('SIGTERM');
      await server.exit;
    }
  });
  after(() => collector?.close());

  /** The request's span and what is in it. */
  function traceOf(name: keyof typeof TRACES) {
    const spans = collector.spans.filter(({ traceId }) => traceId === TRACES[name]);
    const [request, ...others] = spans.filter(({ parentSpanId }) => parentSpanId === CALLER);
    assert.ok(request && others.length === 0, 'one span is the caller’s child');
    const stages = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
    assert.equal(stages.length, spans.length - 1, 'all others are the request’s children');
    return { request, stages: stages.toSorted((a, b) => (a.from < b.from ? -1 : 1)) };
  }

  for (const [name, rows] of [
    ['predict', 1500],
    ['openInference', 1],
    // One of its three lines is no row, and is not inferred.
    ['lines', 2],
  ] as const) {
    test(`a request of rows (${name}) has decode, then inference of all its rows, in its caller's trace`, () => {
      const { request, stages } = traceOf(name);
      assert.deepEqual(
        stages.map((stage) => stage.name),
        ['decode', 'inference'],
      );
      const [decode, inference] = stages;
      assert.ok(decode && inference && decode.from <= decode.to && decode.to <= inference.to);
      // Two clocks: a millisecond between them is no fault.
      assert.ok(decode.from >= request.from - 2_000_000n && inference.to <= request.to + 2_000_000n);
      assert.deepEqual(inference.attributes, { 'model.name': 'sklearn-iris', 'batch.size': rows });
    });
  }

  test('rows that are refused fail in decode, with the code and without what was sent', () => {
    const { request, stages } = traceOf('refused');
    assert.equal(request.attributes['http.response.status_code'], 400);
    assert.deepEqual(
      stages.map(({ name, status, attributes }) => [name, status, attributes['error.type']]),
      [['decode', 2, 'INVALID_REQUEST']],
    );
    assert.ok(!collector.text().includes(String(SECRET_CELL)));
  });
});
