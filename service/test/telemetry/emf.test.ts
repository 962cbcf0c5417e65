import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EmfEntry, emfLine } from '../../src/telemetry/emf.ts';
import { meterInvocations } from '../../src/telemetry/meter-invocations.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { createStageMeter } from '../../src/telemetry/stage-meter.ts';

/** Checks the rules of the specification. */
function checkEmf(line: string): Record<string, unknown> {
  assert.ok(!line.includes('\n') && Buffer.byteLength(line) < 256 * 1024);
  const root = JSON.parse(line) as Record<string, unknown>;
  const { Timestamp, CloudWatchMetrics } = root._aws as {
    Timestamp: number;
    CloudWatchMetrics: {
      Namespace: string;
      Dimensions: string[][];
      Metrics: { Name: string; Unit: string }[];
    }[];
  };
  assert.ok(Number.isInteger(Timestamp) && Timestamp > 1_500_000_000_000, 'milliseconds since 1970');
  assert.equal(CloudWatchMetrics.length, 1);
  for (const { Namespace, Dimensions, Metrics } of CloudWatchMetrics) {
    assert.match(Namespace, /^[\x20-\x7e]{1,255}$/);
    for (const set of Dimensions) {
      assert.ok(set.length <= 30);
      for (const name of set) {
        assert.match(name, /^[^:]{1,250}$/);
        assert.equal(typeof root[name], 'string', `dimension ${name} has its value at the root`);
        assert.ok((root[name] as string).length > 0 && (root[name] as string).length <= 1024);
      }
    }
    assert.ok(Metrics.length > 0 && Metrics.length <= 100);
    for (const { Name, Unit } of Metrics) {
      assert.match(Name, /^.{1,1024}$/);
      assert.ok(['Milliseconds', 'Count'].includes(Unit));
      const values = [root[Name]].flat();
      assert.ok(values.length >= 1 && values.length <= 100, Name);
      for (const value of values) assert.ok(Number.isFinite(value), Name);
    }
  }
  return root;
}

test('a line follows the Embedded Metric Format', () => {
  const entry: EmfEntry = {
    namespace: 'ml-serverless',
    dimensions: { FunctionName: 'api' },
    metrics: { DecodeTime: [Array.from({ length: 150 }, (_, i) => i), 'Milliseconds'], Faults: [0, 'Count'] },
    properties: { requestId: 'one\ntwo' },
    timestamp: 1_780_000_000_000,
  };
  const root = checkEmf(emfLine(entry));
  assert.equal((root.DecodeTime as number[]).length, 100, 'at most as many values as the format allows');
  assert.deepEqual([root.FunctionName, root.Faults, root.requestId], ['api', 0, 'one\ntwo']);
});

function meter(functionName: string | undefined) {
  const lines: string[] = [];
  const metrics = createMetrics();
  const stages = createStageMeter(metrics);
  let flushed = 0;
  const handler = meterInvocations(
    async (
      event: { readonly images: number; readonly status: number },
      _context: { awsRequestId: string } | undefined,
    ) => {
      if (event.status === 0) throw new Error('broken');
      for (let i = 0; i < event.images; i++)
        metrics.observe({ model: 'm', timing: { decodeMs: 4.1, queueMs: 0.1, inferenceMs: 36.9 } });
      return { statusCode: event.status };
    },
    {
      functionName,
      read: ({ statusCode }) => ({
        metrics: { ...stages.take(), ServerErrors: [Number(statusCode >= 500), 'Count'] },
        properties: { status: statusCode },
      }),
      flush: async () => void flushed++,
      write: (line) => void lines.push(line),
    },
  );
  return { handler, lines, flushed: () => flushed };
}

test('an invocation writes one line: cold start, outcome and its own stage times', async () => {
  const { handler, lines, flushed } = meter('api');
  await handler({ images: 1, status: 200 }, { awsRequestId: 'r-1' });
  await handler({ images: 0, status: 503 }, undefined);
  await assert.rejects(handler({ images: 0, status: 0 }, undefined), /broken/);
  assert.equal(lines.length, 3);
  assert.ok(lines.every((line) => line.endsWith('\n')));
  const [first = {}, second = {}, third = {}] = lines.map((line) => checkEmf(line.trimEnd()));
  assert.deepEqual(
    [first.ColdStarts, first.outcome, first.ServerErrors, first.requestId, first.status],
    [1, 'answered', 0, 'r-1', 200],
  );
  assert.deepEqual([first.DecodeTime, first.QueueTime, first.InferenceTime], [[4.1], [0.1], [36.9]]);
  assert.deepEqual(
    [second.ColdStarts, second.ServerErrors, second.InferenceTime, 'requestId' in second],
    [0, 1, undefined, false],
  );
  assert.deepEqual([third.outcome, third.ServerErrors], ['failed', undefined]);
  assert.equal(flushed(), 3);
});

test('outside AWS Lambda nothing is written', async () => {
  const { handler, lines } = meter(undefined);
  assert.deepEqual(await handler({ images: 1, status: 200 }, undefined), { statusCode: 200 });
  assert.deepEqual(lines, []);
});
