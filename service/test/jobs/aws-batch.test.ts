import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import { createAwsBatchQueue } from '../../src/jobs/aws-batch.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import { type AwsBatchServer, startAwsBatch } from '../helpers/aws-batch-server.ts';
import { childCommand, testJobQueue } from './conformance.ts';

let server: AwsBatchServer;
let queue: JobQueue;
let recordDir: string;
before(async () => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-east-1',
  });
  recordDir = await mkdtemp(join(tmpdir(), 'aws-batch-'));
  server = await startAwsBatch({ command: childCommand(recordDir) });
  queue = createAwsBatchQueue({ ...server, maxAttempts: 2 });
});
after(async () => {
  await queue.close();
  await server.close();
  await rm(recordDir, { recursive: true, force: true });
});

testJobQueue('aws-batch', () => ({ queue, recordDir }));

test('the status of an array of 10,000 children is one call', async () => {
  const idle = await startAwsBatch({ command: childCommand(recordDir), concurrency: 0 });
  const big = createAwsBatchQueue(idle);
  const { reference } = await big.submit({
    jobId: 'big',
    shards: 10_000,
    jobUri: 's3://b/jobs/big/job.json',
  });
  const before = idle.calls.length;
  const status = await big.status(reference);
  assert.equal(idle.calls.length - before, 1);
  assert.deepEqual(status, {
    state: 'SUBMITTED',
    shards: { pending: 10_000, running: 0, succeeded: 0, failed: 0 },
  });
  await big.close();
  await idle.close();
});

test('what AWS refuses is QUEUE_UNAVAILABLE, and its own text is the cause', async () => {
  const isRefusal = (text: RegExp) => (error: unknown) =>
    isAppError(error, 'QUEUE_UNAVAILABLE') &&
    error.message === 'AWS Batch is unavailable (ClientException)' &&
    text.test((error.cause as Error).message);
  await assert.rejects(
    queue.submit({ jobId: 'x', shards: 10_001, jobUri: 'x' }),
    isRefusal(/between 2 and 10000/),
  );
  await assert.rejects(queue.submit({ jobId: '-x', shards: 1, jobUri: 'x' }), isRefusal(/Job name/));
  await assert.rejects(
    queue.submit({ jobId: 'x', shards: 1, jobUri: 'x', environment: { BIG: 'x'.repeat(8192) } }),
    isRefusal(/8192/),
  );
  const gone = createAwsBatchQueue({ ...server, endpoint: 'http://127.0.0.1:9', maxAttempts: 1 });
  await assert.rejects(gone.status('x'), /is unavailable \(ECONNREFUSED\)/);
});

test('no role ARN and no account number of AWS Batch reaches a client', async () => {
  const role = 'arn:aws:sts::123456789012:assumed-role/ml-serverless-App/session';
  const idle = await startAwsBatch({
    command: childCommand(recordDir),
    concurrency: 0,
    refusal: `User: ${role} is not authorized to perform: batch:SubmitJob`,
  });
  const refused = createAwsBatchQueue({ ...idle, maxAttempts: 1 });
  const submission = { jobId: 'secret', shards: 1, jobUri: 's3://b/jobs/secret/job.json' };
  await assert.rejects(refused.submit(submission), (error: Error) => {
    assert.doesNotMatch(error.message, /arn:|123456789012|session/);
    assert.match((error.cause as Error).message, /assumed-role/, 'the log has it');
    return true;
  });
  await refused.close();
  await idle.close();
  const { reference } = await queue.submit({ ...submission, jobId: 'reason' });
  await queue.cancel(reference, `Task failed: ECS was unable to assume the role '${role}' of 123456789012.`);
  assert.equal(
    (await queue.status(reference))?.reason,
    "Task failed: ECS was unable to assume the role '<arn>' of <account>.",
  );
});
