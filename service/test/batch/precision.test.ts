import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { createJobPrecision } from '../../src/inference/job-precision.ts';
import type { JobSubmission } from '../../src/jobs/job-queue.ts';
import {
  idleQueue,
  picture,
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
  await objects.put('input/a.png', await picture(1));
});
after(async () => {
  await objects.close();
  await tiny.close();
});

const request = (jobId: string) => ({
  jobId,
  origin: 'request' as const,
  source: { kind: 'prefix' as const, prefix: 'input/' },
  model: 'tiny',
  topK: 2,
});

test('a job records its precision when it is planned, and every worker gets that one', async () => {
  const submissions: JobSubmission[] = [];
  const queue = {
    ...idleQueue(),
    submit: async (job: JobSubmission) => {
      submissions.push(job);
      return { reference: job.jobId };
    },
  };
  let now: 'int8' | 'float32' = 'int8';
  const batch = tempBatch(objects, queue, { precisionOf: async () => now });
  await batch.create(request('recorded'));
  now = 'float32';
  // The same request again, by a service that has changed meanwhile.
  await batch.create(request('recorded'));
  const job = JSON.parse((await objects.get('jobs/recorded/job.json')).toString());
  assert.equal(job.precision, 'int8');
  assert.deepEqual(new Set(submissions.map(({ environment }) => environment?.PRECISION)), new Set(['int8']));
});

test('a worker that cannot run the precision fails its attempt instead of mixing rows', async () => {
  const reasons: string[] = [];
  // The tiny model runs on WebAssembly, which has no int8.
  const queue = tempQueue(tiny.env, { onFailedAttempt: ({ reason }) => reasons.push(reason) });
  const batch = tempBatch(objects, queue, { precisionOf: async () => 'int8' });
  await batch.create(request('elsewhere'));
  const status = await untilFinished(batch, 'elsewhere');
  assert.equal(status.status, 'FAILED');
  assert.equal(reasons.length, 3, 'it is run again: another worker may have another CPU');
  for (const reason of reasons) assert.match(reason, /PRECISION=int8 needs TensorFlow/);
  await batch.close();
  await queue.close();
});

test('a local job takes the precision that is served, a job on AWS one that all CPUs run', async () => {
  const served = {
    ready: true,
    list: () => [{ name: 'resnet50', precision: 'bfloat16' }],
  } as unknown as Models;
  const config = loadConfig({});
  assert.equal(await createJobPrecision(config, served)('resnet50'), 'bfloat16');
  const aws = { ...config, JOBS: 'aws-batch' as const };
  assert.equal(await createJobPrecision(aws, served)('resnet50'), 'int8');
  assert.equal(await createJobPrecision({ ...aws, PRECISION: 'float32' })('resnet50'), 'float32');
  assert.equal(await createJobPrecision(aws)('unknown'), undefined);
  const dispatcher = { ...aws, modelsDir: '/nowhere', PRECISION: 'int8' as const };
  assert.equal(await createJobPrecision(dispatcher)('resnet50'), 'int8', 'a bundle without models');
});
