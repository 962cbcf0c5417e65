import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { recordJob } from '../../src/batch/job-records.ts';
import { startJob } from '../../src/batch/start.ts';
import { workShard } from '../../src/batch/worker/shard.ts';
import type { Job } from '../../src/domain/job/job.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';

let folder: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  folder = await tempStore();
  for (let n = 0; n < 20; n++) await folder.put(`input/ops/${String(n).padStart(2, '0')}`, `image ${n}`);
});
after(() => folder.close());

/** A store that notes each operation, as `verb key`. */
function recording(inner: ObjectStore): { readonly objects: ObjectStore; take(): string[] } {
  let log: string[] = [];
  const noting =
    <A extends readonly unknown[], R>(verb: string, run: (key: string, ...rest: A) => R) =>
    (key: string, ...rest: A): R => {
      log.push(`${verb} ${key}`);
      return run(key, ...rest);
    };
  const objects: ObjectStore = {
    ...inner,
    get: noting('get', inner.get),
    head: noting('head', inner.head),
    put: noting('put', inner.put),
    delete: noting('delete', inner.delete),
    list: noting('list', inner.list),
  };
  const take = () => {
    const taken = log;
    log = [];
    return taken;
  };
  return { objects, take };
}

const jobOf = (jobId: string): Job => ({
  format: 1,
  jobId,
  createdAt: new Date().toISOString(),
  origin: 'request',
  model: 'tiny',
  topK: 1,
  source: { kind: 'prefix', prefix: 'input/ops/' },
  shardSize: 100,
  chunkSize: 10,
});

test('creating a job writes five objects and asks nothing for a status', async () => {
  const { objects, take } = recording(folder);
  const idle = idleQueue();
  let statusRequests = 0;
  const queue: JobQueue = {
    ...idle,
    status: (reference) => {
      statusRequests += 1;
      return idle.status(reference);
    },
  };
  const { source } = jobOf('x');
  await tempBatch(objects, queue).create({ jobId: 'ops', origin: 'request', source, model: 'tiny', topK: 1 });
  const operations = take();
  const puts = operations.filter((operation) => operation.startsWith('put '));
  assert.deepEqual(
    puts.map((put) => put.replace(/\.index\/.*/, '.index/')),
    [
      'put jobs/ops/job.json',
      'put jobs/.index/',
      'put jobs/ops/shards/00000.jsonl',
      'put jobs/ops/plan.json',
      'put jobs/ops/submitted.json',
    ],
  );
  const lists = operations.filter((operation) => operation.startsWith('list '));
  assert.deepEqual(lists, ['list input/ops/', 'list input/ops/'], 'whether it has inputs, and which');
  assert.equal(operations.filter((operation) => operation.startsWith('get ')).length, 8);
  assert.equal(statusRequests, 0);
});

test('a worker writes two objects per chunk and does not read its own chunks', async () => {
  // The last worker of a request also reads the rows, for the report; a drop has none.
  const job = await recordJob(folder, { ...jobOf('work'), origin: 'drop' });
  await startJob(job, { objects: folder, queue: idleQueue() });
  const { objects, take } = recording(folder);
  const predictions = [{ label: 'a', index: 0, probability: 1 }];
  const result = await workShard({
    objects,
    classifier: { classify: async () => ({ model: 'tiny', version: '1', predictions }) },
    job,
    shard: 0,
    concurrency: 4,
    maxBytesInFlight: 1024 * 1024,
    maxImageBytes: 1024,
    stop: new AbortController().signal,
    graceMs: 1_000,
  });
  assert.deepEqual([result.done, result.succeeded], [true, 20]);
  const ofJob = take().filter((operation) => operation.includes(' jobs/work/'));
  assert.deepEqual(ofJob.sort(), [
    'get jobs/work/shards/00000.jsonl',
    'list jobs/work/chunks/00000-',
    'list jobs/work/results/00000-',
    'put jobs/work/chunks/00000-0000.10.0',
    'put jobs/work/chunks/00000-0001.10.0',
    'put jobs/work/done/00000.20.0',
    'put jobs/work/results/00000-0000.jsonl',
    'put jobs/work/results/00000-0001.jsonl',
  ]);
});
