import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { planShards } from '../../src/batch/plan-shards.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { parseShard } from '../../src/domain/job/shards.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, jobOf, tempBatch, tempStore } from '../helpers/batch-fixture.ts';

let objects: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  objects = await tempStore();
  for (let i = 0; i < 95; i++) await objects.put(`input/x/${String(i).padStart(3, '0')}`, String(i));
});
after(() => objects.close());

async function keysOfPlan(store: ObjectStore, jobId: string, shards: number): Promise<string[]> {
  const keys: string[] = [];
  for (let i = 0; i < shards; i++) {
    for (const { key } of parseShard((await store.get(jobLayout(jobId).shard(i))).toString())) keys.push(key);
  }
  return keys;
}

async function allKeys(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list('input/x/')) keys.push(key);
  return keys;
}

test('a plan holds each input once and in order', async () => {
  assert.deepEqual(await planShards(objects, jobOf('p1')), { shards: 10, total: 95 });
  assert.deepEqual(await keysOfPlan(objects, 'p1', 10), await allKeys());
});

test('planning again after a crash at any write gives the same plan', async () => {
  for (let crashAt = 1; crashAt <= 10; crashAt++) {
    let puts = 0;
    const dying: ObjectStore = {
      ...objects,
      async put(...args) {
        puts += 1;
        if (puts > crashAt) throw new Error('crash');
        return objects.put(...args);
      },
    };
    const job = jobOf(`crash-${crashAt}`);
    await assert.rejects(planShards(dying, job), /crash/);
    assert.deepEqual(await planShards(objects, job), { shards: 10, total: 95 });
    assert.deepEqual(await keysOfPlan(objects, job.jobId, 10), await allKeys());
  }
});

test('two planners at once that see different listings agree on one plan without a key twice', async () => {
  const blind: ObjectStore = {
    ...objects,
    async *list(prefix, options) {
      let n = 0;
      for await (const info of objects.list(prefix, options)) if (n++ % 3 !== 1) yield info;
    },
  };
  for (let round = 0; round < 5; round++) {
    const job = jobOf(`race-${round}`);
    const [a, b] = await Promise.all([planShards(objects, job), planShards(blind, job)]);
    assert.deepEqual(a, b);
    const keys = await keysOfPlan(objects, job.jobId, a?.shards ?? 0);
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(keys.length, a?.total);
  }
});

test('inputs beyond the last shard go into further jobs, each submitted, none lost', async () => {
  const queue = idleQueue();
  const { recordJob } = await import('../../src/batch/job-records.ts');
  const { startJob } = await import('../../src/batch/start.ts');
  const job = await recordJob(objects, jobOf('big'));
  await startJob(job, { objects, queue, maxShards: 4 });
  assert.deepEqual(
    queue.submissions.map(({ jobId, shards }) => [jobId, shards]),
    [
      ['big', 4],
      ['big-p2', 4],
      ['big-p3', 2],
    ],
  );
  const keys = [];
  for (const { jobId, shards } of queue.submissions) keys.push(...(await keysOfPlan(objects, jobId, shards)));
  assert.deepEqual(keys, await allKeys());
  await startJob(job, { objects, queue, maxShards: 4 });
  assert.equal(queue.submissions.length, 3, 'starting it again submits nothing twice');
});

test('a crash between any two writes of a submission heals when it is submitted again', async () => {
  const source = { kind: 'prefix', prefix: 'input/x/' } as const;
  const ask = { origin: 'event', source, model: 'tiny', topK: 5 } as const;
  for (let crashAt = 0; crashAt < 8; crashAt++) {
    const queue = idleQueue();
    let puts = 0;
    const dying: ObjectStore = {
      ...objects,
      async put(...args) {
        if (puts++ === crashAt) throw new Error('crash');
        return objects.put(...args);
      },
    };
    const jobId = `heal-${crashAt}`;
    const shardSize = 30;
    // Eight writes: the job, its index entry, four shards, the plan, and the receipt of the queue.
    await assert.rejects(tempBatch(dying, queue, { shardSize }).create({ ...ask, jobId }), /crash/);
    const batch = tempBatch(objects, queue, { shardSize });
    const status = await batch.status(await batch.create({ ...ask, jobId }));
    assert.deepEqual(status.counts, { total: 95, succeeded: 0, failed: 0, pending: 95 });
    assert.equal(status.status, 'SUBMITTED');
    assert.equal(queue.submissions.length, 1);
    assert.deepEqual(await keysOfPlan(objects, jobId, 4), await allKeys());
  }
});
