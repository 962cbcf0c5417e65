import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOpenChunks } from '../../src/batch/open-chunks.ts';
import { workShard } from '../../src/batch/worker/shard.ts';
import { AppError } from '../../src/domain/errors.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { until } from '../helpers/until.ts';

const TOTAL = 12;

test('the status counts the rows of a chunk before the chunk is done, and never twice', async (t) => {
  const objects = await tempStore();
  const batch = tempBatch(objects, idleQueue(), { chunkSize: 6 });
  t.after(async () => {
    await batch.close();
    await objects.close();
  });
  for (let n = 0; n < TOTAL; n++) await objects.put(`input/${String(n).padStart(2, '0')}.jpg`, `${n}`);
  const source = { kind: 'prefix', prefix: 'input/' } as const;
  const job = await batch.create({ jobId: 'live', origin: 'request', source, model: 'tiny', topK: 1 });

  // Inputs are answered up to a limit that the test raises; every fifth one is unreadable.
  let limit = 4;
  const seen: number[] = [];
  const classifier = {
    async classify(bytes: Uint8Array) {
      const n = Number(Buffer.from(bytes).toString());
      await until(`the answer to input ${n}`, () => n < limit);
      if (n % 5 === 0) throw new AppError('UNREADABLE_IMAGE', 'not an image');
      const predictions = [{ label: 'a', index: 0, probability: 1 }];
      return { model: 'tiny', version: '1', predictions };
    },
  };
  const counts = async () => {
    const { succeeded, failed, pending } = (await batch.status('live')).counts;
    assert.equal(succeeded + failed + pending, TOTAL);
    const done = succeeded + failed;
    assert.ok(done >= (seen.at(-1) ?? 0), `${done} done after ${seen.at(-1)}`);
    seen.push(done);
    return [succeeded, failed, pending].join(' ');
  };
  const worked = workShard({
    objects,
    classifier,
    job,
    shard: 0,
    concurrency: TOTAL,
    maxBytesInFlight: 1_000_000,
    maxImageBytes: 1000,
    stop: new AbortController().signal,
    graceMs: 1000,
  });
  await until('progress within the first chunk', async () => (await counts()) === '3 1 8');
  limit = 9;
  await until('a finished chunk and progress in the next one', async () => (await counts()) === '7 2 3');
  limit = TOTAL;
  assert.equal((await worked).done, true);
  const { status, counts: final } = await batch.status('live');
  assert.deepEqual([status, final], ['PARTIAL', { total: TOTAL, succeeded: 9, failed: 3, pending: 0 }]);
});

test('a report of a worker that is gone does not count', async (t) => {
  const objects = await tempStore();
  t.after(() => objects.close());
  await objects.put('jobs/gone/progress/00003.json', '{"7":{"succeeded":1,"failed":2}}');
  const fresh = await readOpenChunks(objects, 'gone');
  assert.deepEqual([...fresh], [['00003-0007', { succeeded: 1, failed: 2 }]]);
  assert.equal((await readOpenChunks(objects, 'gone', Date.now() + 120_000)).size, 0);
});
