import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createBatch } from '../../src/batch/batch.ts';
import { outputKey } from '../../src/domain/keys.ts';
import { createAwsBatchQueue } from '../../src/jobs/aws-batch.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { type AwsBatchServer, startAwsBatch } from '../helpers/aws-batch-server.ts';
import { contentOf, picture, rowsOf, untilFinished, workerCommand } from '../helpers/batch-fixture.ts';
import { bridged } from '../helpers/s3-events.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

const program = await findVersitygw();
const skip = program ? false : VERSITYGW_MISSING;
let s3: S3Server;
let aws: AwsBatchServer;
let model: TinyModel;
let objects: ObjectStore;
let queue: JobQueue;
before(async () => {
  if (!program) return;
  s3 = await startS3Server(program, 'amzn-s3-demo-bucket');
  model = await makeTinyModel();
  const env = { ...model.env, S3_ENDPOINT: s3.endpoint };
  aws = await startAwsBatch({ command: workerCommand(env), concurrency: 2 });
  objects = createS3Store(s3.bucket, s3);
  queue = createAwsBatchQueue(aws);
});
after(async () => {
  await queue?.close();
  await aws?.close();
  await model?.close();
  await s3?.close();
});

test('a dropped object travels from event to dispatcher, SubmitJob, worker processes and output', {
  skip,
}, async () => {
  const keys = [
    'input/a b+c%.png',
    'input/deep/é 日本.png',
    'input/3.png',
    'input/4.png',
    'input/broken.jpg',
  ];
  for (const [n, key] of keys.entries())
    await objects.put(key, key.endsWith('.jpg') ? 'no picture' : await picture(n));
  const bodies = [];
  for (const key of keys) {
    const event = bridged(key);
    event.detail.object.etag = (await objects.head(key)).etag;
    bodies.push(event);
  }
  const event = {
    Records: bodies.map((body, i) => ({
      messageId: `m${i}`,
      eventSource: 'aws:sqs',
      body: JSON.stringify(body),
    })),
  };
  Object.assign(process.env, model.env, {
    STORE: `s3://${s3.bucket}`,
    S3_ENDPOINT: s3.endpoint,
    JOBS: 'aws-batch',
    JOB_QUEUE_ARN: aws.jobQueue,
    JOB_DEFINITION_ARN: aws.jobDefinition,
    BATCH_ENDPOINT: aws.endpoint,
    SHARD_SIZE: '2',
    LOG_LEVEL: 'error',
  });
  const { handler } = await import('../../src/entrypoints/dispatcher.ts');
  assert.deepEqual(await handler(event), { batchItemFailures: [] });
  assert.deepEqual(await handler(event), { batchItemFailures: [] }, 'delivered again');
  assert.equal(aws.calls.filter((call) => call === 'submitjob').length, 1, 'one job for the lot, once');

  const batch = createBatch({
    objects,
    queue,
    shardSize: 2,
    chunkSize: 128,
    startWithinMs: 10_000,
    onError: (error) => {
      throw error;
    },
  });
  const { jobs } = await batch.list(10);
  assert.equal(jobs.length, 1);
  const status = await untilFinished(batch, jobs[0]?.jobId ?? '');
  assert.equal(status.status, 'PARTIAL', status.reason);
  assert.deepEqual(status.counts, { total: 5, succeeded: 4, failed: 1, pending: 0 });
  const rows = await rowsOf(batch, status.jobId);
  assert.deepEqual(new Set(rows.map(({ key }) => key)), new Set(keys));
  for (const row of rows)
    assert.deepEqual(JSON.parse((await objects.get(outputKey(row.key) ?? '')).toString()), row);
  const outputs = await contentOf(objects, 'output/');
  assert.equal(outputs.size, 5);
  await handler(event);
  assert.equal(aws.calls.filter((call) => call === 'submitjob').length, 1, 'and after it has ended');
  await batch.close();
});
