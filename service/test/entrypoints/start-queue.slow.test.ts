import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseShard } from '../../src/domain/job/shards.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { type AwsBatchServer, startAwsBatch } from '../helpers/aws-batch-server.ts';
import { workerCommand } from '../helpers/batch-fixture.ts';
import { startFaultProxy } from '../helpers/fault-proxy.ts';
import { bodyOf, type GatewayResponse, httpApiEvent } from '../helpers/gateway-events.ts';
import {
  findLambdaPrograms,
  LAMBDA_MISSING,
  type LambdaEnvironment,
  startLambda,
} from '../helpers/lambda-emulator.ts';
import { hasMoto, MOTO_MISSING, type Moto, startMoto } from '../helpers/moto.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

const gateway = await findVersitygw();
const programs = findLambdaPrograms();
const skip = !gateway ? VERSITYGW_MISSING : !programs ? LAMBDA_MISSING : !hasMoto() ? MOTO_MISSING : false;

const FOLDERS = 100;
const FILES = 1_000;

describe('POST /batch on AWS Lambda', { skip }, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let s3: S3Server;
  let moto: Moto;
  let aws: AwsBatchServer;
  let model: TinyModel;
  let queueUrl = '';
  let environment: Record<string, string> = {};
  before(async () => {
    if (!gateway || !programs) return;
    moto = await startMoto();
    closers.push(() => moto.close());
    queueUrl = String((await moto.call('AmazonSQS.CreateQueue', { QueueName: 'starts' })).QueueUrl);
    s3 = await startS3Server(gateway, 'amzn-s3-demo-bucket');
    closers.push(() => s3.close());
    model = await makeTinyModel();
    closers.push(() => model.close());
    // It takes jobs and runs none: planning is what this is about.
    aws = await startAwsBatch({ command: workerCommand({}), concurrency: 0 });
    closers.push(() => aws.close());
    environment = {
      ...model.env,
      STORE: `s3://${s3.bucket}`,
      S3_ENDPOINT: s3.endpoint,
      JOBS: 'aws-batch',
      JOB_QUEUE_ARN: aws.jobQueue,
      JOB_DEFINITION_ARN: aws.jobDefinition,
      BATCH_ENDPOINT: aws.endpoint,
      START_QUEUE_URL: queueUrl,
      SHARD_SIZE: '1000',
    };
    // Straight into the server's folder, which is its bucket: a hundred thousand requests would take minutes.
    for (let folder = 0; folder < FOLDERS; folder++) {
      const path = join(s3.folder, 'input', 'many', String(folder).padStart(3, '0'));
      await mkdir(path, { recursive: true });
      const names = Array.from({ length: FILES }, (_, file) => `${String(file).padStart(4, '0')}.png`);
      await Promise.all(names.map((name) => writeFile(join(path, name), '')));
    }
  });
  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  const start = async (handler: string, env: Readonly<Record<string, string>> = {}) => {
    if (!programs) throw new Error(LAMBDA_MISSING);
    const lambda = await startLambda(programs, handler, { ...environment, ...env });
    closers.push(() => lambda.close());
    return lambda;
  };

  /** What Lambda's event source mapping does, until the queue is empty. @returns how many messages it delivered */
  async function deliver(starter: LambdaEnvironment): Promise<number> {
    for (let delivered = 0; ; delivered++) {
      const { Messages = [] } = (await moto.call('AmazonSQS.ReceiveMessage', { QueueUrl: queueUrl })) as {
        Messages?: { MessageId: string; ReceiptHandle: string; Body: string }[];
      };
      const [message] = Messages;
      if (!message) return delivered;
      const { MessageId: messageId, ReceiptHandle, Body: body } = message;
      const Records = [{ messageId, eventSource: 'aws:sqs', body }];
      assert.deepEqual(await starter.invoke({ Records }), { batchItemFailures: [] }, starter.log());
      await moto.call('AmazonSQS.DeleteMessage', { QueueUrl: queueUrl, ReceiptHandle });
    }
  }

  async function post(body: object): Promise<{ jobId: string; status: string }> {
    const api = await start('lambda.handler');
    const response = (await api.invoke(
      httpApiEvent({
        method: 'POST',
        path: '/batch',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    )) as GatewayResponse;
    assert.equal(response.statusCode, 202, `${response.body}\n${api.log()}`);
    // Lambda freezes an environment when it has answered, and may never thaw it.
    await api.close();
    return JSON.parse(bodyOf(response).toString());
  }

  async function plannedKeys(jobId: string): Promise<string[]> {
    const objects = createS3Store(s3.bucket, s3);
    const keys: string[] = [];
    for await (const { key } of objects.list(`jobs/${jobId}/shards/`))
      for (const input of parseShard((await objects.get(key)).toString())) keys.push(input.key);
    return keys;
  }

  it('plans 100,000 keys although the environment that answered 202 is gone', async () => {
    const { jobId, status } = await post({ prefix: 'input/many/' });
    assert.equal(status, 'SUBMITTED');
    assert.deepEqual(aws.calls, [], 'nothing goes on behind the answer');
    const starter = await start('starter.handler');
    assert.equal(await deliver(starter), 1);
    assert.equal(aws.calls.filter((call) => call === 'submitjob').length, 1);
    const keys = await plannedKeys(jobId);
    assert.equal(keys.length, FOLDERS * FILES);
    assert.equal(new Set(keys).size, keys.length);
  });

  it('goes on from its checkpoint in another invocation when one is too short', async () => {
    const { jobId } = await post({ prefix: 'input/many/' });
    const before = aws.calls.length;
    // A hundred pages of the listing take 30 ms each, and half of an invocation this short is for planning: see starter.ts.
    const slow = await startFaultProxy({ target: s3.endpoint, slow: 1 });
    closers.push(() => slow.close());
    const starter = await start('starter.handler', {
      S3_ENDPOINT: slow.endpoint,
      AWS_LAMBDA_FUNCTION_TIMEOUT: '4',
    });
    assert.ok((await deliver(starter)) >= 2, 'it took several messages');
    assert.equal(aws.calls.slice(before).filter((call) => call === 'submitjob').length, 1);
    const keys = await plannedKeys(jobId);
    assert.equal(keys.length, FOLDERS * FILES);
    assert.equal(new Set(keys).size, keys.length);
  });

  it('gives a message that names no job back to the queue, which ends in its dead letters', async () => {
    const starter = await start('starter.handler');
    const Records = [
      { messageId: 'gone', eventSource: 'aws:sqs', body: JSON.stringify({ jobId: 'was-removed' }) },
      { messageId: 'bad', eventSource: 'aws:sqs', body: '{}' },
    ];
    assert.deepEqual(await starter.invoke({ Records }), { batchItemFailures: [{ itemIdentifier: 'bad' }] });
  });
});
