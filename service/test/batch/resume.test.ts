import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { recordJob } from '../../src/batch/job-records.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { idleQueue, jobOf, tempBatch, tempStore } from '../helpers/batch-fixture.ts';

let objects: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  objects = await tempStore();
  await objects.put('input/a.png', 'a');
});
after(() => objects.close());

const createdAt = (ms: number) => ({ createdAt: new Date(ms).toISOString() });

test('a restart resumes a job however many newer ones there are', async () => {
  const now = Date.now();
  await recordJob(objects, jobOf('oldest', createdAt(now - 100_000)));
  const counts = { total: 1, succeeded: 1, failed: 0, pending: 0 };
  const summary = JSON.stringify({ state: 'SUCCEEDED', counts, finishedAt: new Date(now).toISOString() });
  for (let n = 0; n < 1_050; n++) {
    const job = await recordJob(objects, jobOf(`newer-${n}`, createdAt(now - n)));
    await objects.put(jobLayout(job.jobId).summary, summary);
  }
  const queue = idleQueue();
  assert.deepEqual(await tempBatch(objects, queue).resume(), ['oldest']);
  assert.deepEqual(
    queue.submissions.map(({ jobId }) => jobId),
    ['oldest'],
  );
});

test('a recorded job whose message was never sent is sent by a later look, once', async () => {
  const sent: string[] = [];
  const startQueue = {
    send: async ({ jobId }: { readonly jobId: string }) => void sent.push(jobId),
    close: async () => {},
  };
  const queue = idleQueue();
  const batch = tempBatch(objects, queue, { startQueue });
  await recordJob(objects, jobOf('unsent', createdAt(Date.now() - 20 * 60_000)));
  await recordJob(objects, jobOf('just-sent'));
  for (let look = 0; look < 3; look++) {
    assert.equal((await batch.status('unsent')).status, 'SUBMITTED');
    await batch.status('just-sent');
  }
  assert.deepEqual(sent, ['unsent']);
  const ask = {
    origin: 'request',
    source: { kind: 'prefix', prefix: 'input/' },
    model: 'tiny',
    topK: 5,
  } as const;
  await batch.create({ ...ask, jobId: 'new' });
  assert.deepEqual(sent, ['unsent', 'new']);
  assert.deepEqual(queue.submissions, [], 'nothing is planned by the process that sends');
});
