import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { recordJob } from '../../src/batch/job-records.ts';
import { startJob } from '../../src/batch/start.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, jobOf, tempBatch, tempStore } from '../helpers/batch-fixture.ts';

let objects: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  objects = await tempStore();
  for (let i = 0; i < 55; i++) await objects.put(`input/x/${String(i).padStart(3, '0')}`, String(i));
});
after(() => objects.close());

/** A queue that remembers which of its jobs were cancelled. */
function cancellableQueue() {
  const queue = idleQueue();
  const cancelled = new Set<string>();
  return Object.assign(queue, {
    cancel: async (reference: string) => void cancelled.add(reference),
    running: () => queue.submissions.map(({ jobId }) => jobId).filter((jobId) => !cancelled.has(jobId)),
  });
}

test('a job of three parts that is cancelled at any write runs none of them', async () => {
  let writes = Number.POSITIVE_INFINITY;
  for (let cancelAt = 0; cancelAt < writes; cancelAt++) {
    const jobId = `cancel-${cancelAt}`;
    const queue = cancellableQueue();
    const batch = tempBatch(objects, queue);
    let puts = 0;
    const watched: ObjectStore = {
      ...objects,
      async put(...args) {
        if (puts++ === cancelAt) await batch.cancel(jobId, 'no more');
        return objects.put(...args);
      },
    };
    const job = await recordJob(objects, jobOf(jobId));
    await startJob(job, { objects: watched, queue, maxShards: 2 });
    if (puts <= cancelAt) writes = puts;
    else assert.deepEqual(queue.running(), [], `cancelled at write ${cancelAt}`);
  }
  assert.ok(writes > 12, `${writes} writes were tried`);
});

test('cancelling a part that has ended cancels the parts after it', async () => {
  const queue = cancellableQueue();
  const batch = tempBatch(objects, queue);
  const job = await recordJob(objects, jobOf('ended'));
  await startJob(job, { objects, queue, maxShards: 2 });
  for (const shard of [0, 1]) await objects.put(jobLayout('ended').shardMarker(shard, 10, 0), '');
  assert.equal((await batch.status('ended')).status, 'SUCCEEDED');
  assert.equal((await batch.cancel('ended', 'no more')).status, 'SUCCEEDED', 'what has ended stays');
  for (const part of ['ended-p2', 'ended-p3'])
    assert.equal((await batch.status(part)).status, 'CANCELLED', part);
  assert.deepEqual(queue.running(), ['ended']);
});
