import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { recordJob } from '../../src/batch/job-records.ts';
import { PlanningStopped, planShards } from '../../src/batch/plan-shards.ts';
import { startJob } from '../../src/batch/start.ts';
import { type AppError, isAppError } from '../../src/domain/errors.ts';
import { freshJobId } from '../../src/domain/job/job-id.ts';
import { indexKey, jobLayout } from '../../src/domain/job/job-layout.ts';
import { parseShard } from '../../src/domain/job/shards.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, jobOf, tempBatch, tempStore } from '../helpers/batch-fixture.ts';

let objects: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  objects = await tempStore();
  for (let i = 0; i < 95; i++) await objects.put(`input/x/${String(i).padStart(3, '0')}`, String(i));
});
after(() => objects.close());

const source = { kind: 'prefix', prefix: 'input/x/' } as const;
const ask = { origin: 'request', source, model: 'tiny', topK: 5 } as const;

test('a job with more inputs than allowed ends as FAILED, and nothing of it runs', async () => {
  const queue = idleQueue();
  const batch = tempBatch(objects, queue, { shardSize: 10, maxJobInputs: 94 });
  const { status, reason } = await batch.status(await batch.create({ ...ask, jobId: 'over' }));
  assert.equal(status, 'FAILED');
  assert.match(reason ?? '', /more than 94 inputs \(MAX_JOB_INPUTS\)/);
  assert.equal((await batch.status('over')).status, 'FAILED');
  const listed = { kind: 'objects' as const, objects: [{ key: 'input/x/000' }, { key: 'input/x/001' }] };
  await assert.rejects(
    tempBatch(objects, queue, { maxJobInputs: 1 }).create({ ...ask, jobId: 'list', source: listed }),
    (error) => isAppError(error, 'PAYLOAD_TOO_LARGE'),
  );
  assert.deepEqual(queue.submissions, []);
  const exact = tempBatch(objects, queue, { shardSize: 10, maxJobInputs: 95 });
  assert.equal((await exact.status(await exact.create({ ...ask, jobId: 'exact' }))).status, 'SUBMITTED');
  assert.equal(queue.submissions.length, 1);
});

test('the parts of a job share its limit of inputs', async () => {
  const queue = idleQueue();
  const job = await recordJob(objects, jobOf('parts'));
  await startJob(job, { objects, queue, maxShards: 4, maxInputs: 79 });
  assert.deepEqual(
    queue.submissions.map(({ jobId }) => jobId),
    ['parts'],
  );
  const batch = tempBatch(objects, queue);
  assert.equal((await batch.status('parts-p2')).status, 'FAILED');
  assert.match((await batch.status('parts-p2')).reason ?? '', /more than 79 inputs/);
});

test('one job more than a day may have is refused, and the answer says when to ask again', async () => {
  const store = await tempStore();
  try {
    await store.put('input/x/1', '1');
    const batch = tempBatch(store, idleQueue(), { maxJobsPerDay: 3 });
    const anHourAgo = new Date(Date.now() - 3_600_000).toISOString();
    const yesterday = new Date(Date.now() - 25 * 3_600_000).toISOString();
    await store.put(indexKey(freshJobId(), yesterday), '');
    await store.put(indexKey(freshJobId(), anHourAgo), '');
    await store.put(indexKey(`e-${'0'.repeat(32)}`, anHourAgo), '');
    const jobId = freshJobId();
    await batch.create({ ...ask, jobId });
    await batch.create({ ...ask, jobId: freshJobId() });
    const more = batch.create({ ...ask, jobId: freshJobId() });
    await assert.rejects(more, (error) => {
      assert.ok(isAppError(error, 'RATE_LIMITED'));
      const { retryAfterSeconds = 0 } = (error as AppError).details;
      assert.ok(retryAfterSeconds > 22 * 3600 && retryAfterSeconds <= 23 * 3600, String(retryAfterSeconds));
      return true;
    });
    assert.equal((await batch.create({ ...ask, jobId })).jobId, jobId, 'a repetition is no new job');
    await batch.create({ ...ask, origin: 'drop', jobId: 'd-drop' });
  } finally {
    await store.close();
  }
});

test('planning that is stopped continues behind the last shard that was written', async () => {
  const job = jobOf('stopped');
  const written: string[] = [];
  let plan: unknown;
  for (let round = 0; plan === undefined; round++) {
    assert.ok(round < 10, 'each round makes progress');
    const stop = new AbortController();
    let shards = 0;
    const watched: ObjectStore = {
      ...objects,
      async put(key, ...rest) {
        if (key.includes('/shards/')) {
          written.push(key);
          shards += 1;
          if (shards === 3) stop.abort();
        }
        return objects.put(key, ...rest);
      },
    };
    plan = await planShards(watched, job, { signal: stop.signal }).catch((error: unknown) => {
      assert.ok(error instanceof PlanningStopped);
      assert.equal(error.newShards, 3);
      return undefined;
    });
  }
  assert.deepEqual(plan, { shards: 10, total: 95 });
  assert.equal(written.length, 10, 'no shard was written twice');
  const keys = new Set<string>();
  for (let n = 0; n < 10; n++) {
    const text = (await objects.get(jobLayout(job.jobId).shard(n))).toString();
    for (const { key } of parseShard(text)) keys.add(key);
  }
  assert.equal(keys.size, 95);
});
