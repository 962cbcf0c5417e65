import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { AppError } from '../../src/domain/errors.ts';
import { createOtlpTracing } from '../../src/telemetry/otlp.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../helpers/otlp-receiver.ts';

const PARENT = `00-${'d'.repeat(32)}-${'e'.repeat(16)}`;

describe('tracing by OpenTelemetry', () => {
  let collector: OtlpReceiver;
  const faults: string[] = [];
  const open = (share = 1) =>
    createOtlpTracing({
      endpoint: `${collector.endpoint}/`,
      serviceName: 'test',
      share,
      onFault: (reason) => void faults.push(reason),
    });
  before(async () => {
    collector = await startOtlpReceiver();
  });
  after(() => collector.close());
  const received = (name: string) => collector.spans.filter((span) => span.name === name);

  test('a span whose work throws has the code of the error, not its message', async () => {
    const tracing = open();
    const error = new AppError('UNREADABLE_IMAGE', 'what a client sent');
    const fails = tracing.span('fails', {}, async () => {
      throw error;
    });
    await assert.rejects(fails, error);
    await tracing.flush();
    const [span] = received('fails');
    assert.deepEqual([span?.status, span?.attributes['error.type']], [2, 'UNREADABLE_IMAGE']);
    assert.ok(!collector.text().includes('what a client sent'));
    await tracing.close();
  });

  test('a span inside a span is its child, also after a turn; root starts a new trace', async () => {
    const tracing = open();
    await tracing.span('outer', {}, async ({ traceparent }) => {
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(tracing.current(), traceparent);
      await tracing.span('inner', {}, async () => {});
      await tracing.span(
        'apart',
        { root: true, links: [traceparent, undefined, 'nonsense'] },
        async () => {},
      );
    });
    assert.equal(tracing.current(), undefined);
    await tracing.close();
    const [[outer], [inner], [apart]] = [received('outer'), received('inner'), received('apart')];
    assert.equal(inner?.parentSpanId, outer?.spanId);
    assert.notEqual(apart?.traceId, outer?.traceId);
    assert.deepEqual(apart?.links, [outer?.spanId]);
  });

  test('an invalid traceparent starts a new trace', async () => {
    const tracing = open();
    for (const parent of ['', 'nonsense', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`, 'x'.repeat(10_000)])
      await tracing.span('orphan', { parent }, async () => {});
    await tracing.close();
    const orphans = received('orphan');
    assert.equal(orphans.length, 4);
    assert.ok(orphans.every(({ parentSpanId }) => parentSpanId === ''));
    assert.equal(new Set(orphans.map(({ traceId }) => traceId)).size, 4);
  });

  test('a share of 0 samples only what the caller sampled, and passes the decision on', async () => {
    const tracing = open(0);
    await tracing.span('own', {}, async ({ traceparent }) => assert.match(traceparent ?? '', /-00$/));
    await tracing.span('unwanted', { parent: `${PARENT}-00` }, async () => {});
    await tracing.span('wanted', { parent: `${PARENT}-01` }, async ({ traceparent }) =>
      assert.match(traceparent ?? '', /^00-d{32}-[0-9a-f]{16}-01$/),
    );
    await tracing.close();
    assert.deepEqual(
      [received('own').length, received('unwanted').length, received('wanted').length],
      [0, 0, 1],
    );
  });

  test('without a collector, spans are lost, the work goes on and the reason is reported', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    const reasons: string[] = [];
    const tracing = createOtlpTracing({
      endpoint: `http://127.0.0.1:${port}`,
      serviceName: 'test',
      share: 1,
      onFault: (reason) => void reasons.push(reason),
    });
    assert.equal(await tracing.span('lost', {}, async () => 7), 7);
    await tracing.flush();
    await tracing.close();
    assert.ok(reasons.length >= 1);
    assert.ok(reasons.every((reason) => !reason.includes('\n') && reason.length <= 300));
    assert.match(reasons.join(' '), /ECONNREFUSED|timeout|timed out/i);
  });
});
