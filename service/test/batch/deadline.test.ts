import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { recordJob } from '../../src/batch/job-records.ts';
import { startJob } from '../../src/batch/start.ts';
import { workShard } from '../../src/batch/worker/shard.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import {
  contentOf,
  idleQueue,
  jobOf,
  picture,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

let objects: Awaited<ReturnType<typeof tempStore>>;
let tiny: TinyModel;
before(async () => {
  tiny = await makeTinyModel();
  objects = await tempStore();
  for (let n = 0; n < 20; n++) await objects.put(`input/${String(n).padStart(2, '0')}.png`, await picture(n));
});
after(async () => {
  await objects.close();
  await tiny.close();
});

test('at the deadline the open chunks are finished and no other one is opened', async () => {
  const deadline = new Date(Date.now() + 3_600_000).toISOString();
  const job = await recordJob(objects, jobOf('midway', { deadline, shardSize: 20 }));
  await startJob(job, { objects, queue: idleQueue() });
  const row = { model: 'tiny', version: '1', predictions: [] };
  mock.timers.enable({ apis: ['Date'], now: Date.now() });
  try {
    const result = await workShard({
      objects,
      job,
      shard: 0,
      concurrency: 8,
      maxBytesInFlight: 1e6,
      maxImageBytes: 1e5,
      stop: new AbortController().signal,
      graceMs: 1_000,
      classifier: {
        async classify() {
          mock.timers.setTime(Date.parse(deadline));
          return row;
        },
      },
    });
    assert.equal(result.done, false);
    assert.ok(result.isPastDeadline);
    assert.equal(result.succeeded, 8, 'the rows of the two open chunks');
  } finally {
    mock.timers.reset();
  }
});

test('a job ends as PARTIAL at its deadline, with the rows so far; the same request does not continue it', async () => {
  const queue = tempQueue(tiny.env);
  const batch = tempBatch(objects, queue, { shardSize: 10, chunkSize: 4 });
  const source = { kind: 'prefix', prefix: 'input/' } as const;
  const request = { jobId: 'whole', origin: 'request', source, model: 'tiny', topK: 5 } as const;
  await batch.create(request);
  assert.equal((await untilFinished(batch, 'whole')).status, 'SUCCEEDED');

  const deadline = new Date(Date.now() - 1).toISOString();
  const late = await recordJob(objects, jobOf('late', { deadline }));
  // What a worker wrote before the deadline.
  const rows = (await objects.get(jobLayout('whole').chunk(0, 0))).toString();
  await objects.put(jobLayout('late').chunk(0, 0), rows);
  await objects.put(jobLayout('late').chunkMarker(0, 0, 4, 0), '');
  await batch.status(late);
  const status = await untilFinished(batch, 'late');
  assert.equal(status.status, 'PARTIAL');
  assert.deepEqual(status.counts, { total: 20, succeeded: 4, failed: 0, pending: 16 });
  assert.equal(status.reason, `DEADLINE: stopped at ${deadline} with 16 inputs pending`);
  assert.equal((await rowsOf(batch, 'late')).length, 4);

  const before = await contentOf(objects, 'jobs/late/');
  await batch.create({ ...request, jobId: 'late', deadline });
  await batch.retry('late');
  assert.deepEqual(await contentOf(objects, 'jobs/late/'), before);
  await assert.rejects(batch.create({ ...request, jobId: 'late' }), { code: 'CONFLICT' });
  await batch.close();
  await queue.close();
});

test('a deadline that has passed is refused, and nothing is recorded', async () => {
  const batch = tempBatch(objects, idleQueue());
  const source = { kind: 'prefix', prefix: 'input/' } as const;
  const deadline = '2020-01-01T00:00:00.000Z';
  const request = { jobId: 'past', origin: 'request', source, model: 'tiny', topK: 5, deadline } as const;
  await assert.rejects(batch.create(request), { code: 'INVALID_REQUEST', message: /deadline .* has passed/ });
  assert.equal((await contentOf(objects, 'jobs/past/')).size, 0);
});
