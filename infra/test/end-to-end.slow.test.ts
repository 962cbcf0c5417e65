import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { defaultModelsDir } from '../../models/folders.ts';
import { createServices } from '../../service/src/app/services.ts';
import { loadConfig } from '../../service/src/config/config.ts';
import { buildApp } from '../../service/src/http/app.ts';
import type { ObjectStore } from '../../service/src/storage/object-store.ts';
import { createS3Store } from '../../service/src/storage/s3/s3.ts';
import { type AwsBatchServer, startAwsBatch } from '../../service/test/helpers/aws-batch-server.ts';
import { contentOf, workerCommand } from '../../service/test/helpers/batch-fixture.ts';
import {
  findLambdaPrograms,
  LAMBDA_MISSING,
  type LambdaEnvironment,
  startLambda,
} from '../../service/test/helpers/lambda-emulator.ts';
import { hasMoto, MOTO_MISSING, type Moto, startMoto } from '../../service/test/helpers/moto.ts';
import { type RecordingProxy, startRecordingProxy } from '../../service/test/helpers/recording-proxy.ts';
import { until } from '../../service/test/helpers/until.ts';
import {
  findVersitygw,
  type S3Server,
  startS3Server,
  VERSITYGW_MISSING,
} from '../../service/test/helpers/versitygw.ts';
import { type Call, refusedCalls } from './helpers/calls.ts';
import type { Component } from './helpers/iam.ts';
import { synthTemplate } from './helpers/synth.ts';

// The whole AWS path with the real code of each step, on stand-ins that speak the real protocols: an object put into an
// S3 server -> its event -> SQS (moto) -> the dispatcher under Lambda's emulator -> SubmitJob (our AWS Batch stand-in)
// -> worker processes -> outputs; and the API beside it. Every call to AWS is recorded and held against the policies.

const BUCKET = 'ml-serverless-bucket-123456789012-us-east-1';
const gateway = await findVersitygw();
const lambdaPrograms = findLambdaPrograms();
const skip = !gateway
  ? VERSITYGW_MISSING
  : !lambdaPrograms
    ? LAMBDA_MISSING
    : !hasMoto()
      ? MOTO_MISSING
      : false;

describe('from a dropped object to its result, the AWS way', { skip }, () => {
  const calls: Call[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  let s3: S3Server;
  let moto: Moto;
  let queueUrl = '';
  let startUrl = '';
  let aws: AwsBatchServer;
  let dispatcher: LambdaEnvironment;
  let starter: LambdaEnvironment;
  let objects: ObjectStore;
  const cache = { CACHE_DIR: loadConfig().cacheDir, TF_CPP_MIN_LOG_LEVEL: '2' };

  const recorded = async (component: Component, target: string): Promise<RecordingProxy> => {
    const proxy = await startRecordingProxy(target, (call) => calls.push({ component, ...call }));
    closers.push(() => proxy.close());
    return proxy;
  };

  before(async () => {
    if (!gateway || !lambdaPrograms) return;
    moto = await startMoto();
    closers.push(() => moto.close());
    queueUrl = String((await moto.call('AmazonSQS.CreateQueue', { QueueName: 'drop' })).QueueUrl);
    startUrl = String((await moto.call('AmazonSQS.CreateQueue', { QueueName: 'start' })).QueueUrl);
    const events = await startEventBridge(moto, queueUrl);
    closers.push(async () => events.close());
    const webhook = `http://127.0.0.1:${(events.address() as AddressInfo).port}`;
    s3 = await startS3Server(gateway, BUCKET, ['--event-webhook-url', webhook]);
    closers.push(() => s3.close());
    objects = createS3Store(s3.bucket, s3);

    const worker = await recorded('worker', s3.endpoint);
    aws = await startAwsBatch({
      command: workerCommand({ ...cache, S3_ENDPOINT: worker.endpoint }),
      concurrency: 1,
    });
    closers.push(() => aws.close());
    const lambdaOf = async (component: 'dispatcher' | 'starter', more: Record<string, string> = {}) => {
      const lambda = await startLambda(lambdaPrograms, `${component}.handler`, {
        STORE: `s3://${BUCKET}`,
        S3_ENDPOINT: (await recorded(component, s3.endpoint)).endpoint,
        BATCH_ENDPOINT: (await recorded(component, aws.endpoint)).endpoint,
        JOBS: 'aws-batch',
        JOB_QUEUE_ARN: aws.jobQueue,
        JOB_DEFINITION_ARN: aws.jobDefinition,
        SHARD_SIZE: '2',
        ...more,
      });
      closers.push(() => lambda.close());
      return lambda;
    };
    dispatcher = await lambdaOf('dispatcher');
    starter = await lambdaOf('starter', { START_QUEUE_URL: startUrl });
  });
  after(async () => {
    for (const close of closers.reverse()) await close();
  });

  /** What Lambda's event source mapping does: receives messages, invokes, and deletes those that did not fail. */
  async function deliver(to = dispatcher, from = queueUrl): Promise<number> {
    const { Messages = [] } = (await moto.call('AmazonSQS.ReceiveMessage', {
      QueueUrl: from,
      MaxNumberOfMessages: 10,
    })) as {
      Messages?: { MessageId: string; ReceiptHandle: string; Body: string }[];
    };
    if (Messages.length === 0) return 0;
    const Records = Messages.map(({ MessageId, Body }) => ({
      messageId: MessageId,
      eventSource: 'aws:sqs',
      body: Body,
    }));
    const { batchItemFailures } = (await to.invoke({ Records })) as {
      batchItemFailures: { itemIdentifier: string }[];
    };
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    for (const { MessageId, ReceiptHandle } of Messages) {
      if (!failed.has(MessageId))
        await moto.call('AmazonSQS.DeleteMessage', { QueueUrl: from, ReceiptHandle });
    }
    return Messages.length;
  }

  const untilDelivered = (what: string, probe: () => Promise<boolean>) =>
    until(what, probe).catch((error: Error) =>
      assert.fail(`${error.message}; the functions wrote:\n${dispatcher.log()}\n${starter.log()}`),
    );

  const samples = join(defaultModelsDir(), 'resnet50', 'samples');

  it('names what is in each picture, and why one cannot be read', async () => {
    const dropped = {
      'input/traffic light+1.jpg': 'traffic-light',
      'input/deep/é 日本/balloon.jpg': 'balloon',
      'input/pumpkin.jpg': 'pumpkin',
    };
    for (const [key, name] of Object.entries(dropped))
      await objects.put(key, await readFile(join(samples, `${name}.jpg`)));
    await objects.put('input/broken.jpg', 'not a picture');
    await untilDelivered('the outputs', async () => {
      await deliver();
      return (await contentOf(objects, 'output/')).size === 4;
    });
    const outputs = await contentOf(objects, 'output/');
    const said = (key: string) =>
      JSON.parse(outputs.get(key.replace(/^input/, 'output').concat('.json')) ?? '{}');
    assert.equal(said('input/traffic light+1.jpg').predictions[0].label, 'traffic_light');
    assert.equal(said('input/deep/é 日本/balloon.jpg').predictions[0].label, 'balloon');
    assert.equal(said('input/pumpkin.jpg').predictions[0].label, "jack-o'-lantern");
    assert.equal(said('input/broken.jpg').error.code, 'UNREADABLE_IMAGE');
  });

  it('answers the API beside it: a job is asked for, watched, read and cancelled', async () => {
    const config = loadConfig({
      ...cache,
      STORE: `s3://${BUCKET}`,
      S3_ENDPOINT: (await recorded('api', s3.endpoint)).endpoint,
      BATCH_ENDPOINT: (await recorded('api', aws.endpoint)).endpoint,
      START_QUEUE_URL: (await recorded('api', moto.endpoint)).endpoint + new URL(startUrl).pathname,
      SHARD_SIZE: '2',
      JOBS: 'aws-batch',
      JOB_QUEUE_ARN: aws.jobQueue,
      JOB_DEFINITION_ARN: aws.jobDefinition,
      DROP: 'off',
      HOME: process.env.HOME,
    });
    const services = await createServices(config, pino({ level: 'silent' }));
    const app = await buildApp(services);
    try {
      await services.models.loaded;
      const ask = (payload: object) => app.inject({ method: 'POST', url: '/batch', payload });
      const made = await ask({ prefix: 'input/' });
      assert.equal(made.statusCode, 202, made.body);
      const { jobId } = made.json();
      await untilDelivered('the end of the job', async () => {
        await deliver(starter, startUrl);
        return !/SUBMITTED|RUNNING/.test((await app.inject(`/batch/${jobId}`)).json().status);
      });
      const { status, counts } = (await app.inject(`/batch/${jobId}`)).json();
      assert.deepEqual([status, counts], ['PARTIAL', { total: 4, succeeded: 3, failed: 1, pending: 0 }]);
      const rows = (await app.inject(`/batch/${jobId}/results`)).body.trim().split('\n');
      assert.equal(rows.length, 4);
      const listed = (await app.inject('/batch')).json();
      assert.ok(listed.jobs.length >= 2, 'the drop made one or more, the API another');
      const object = 'input/traffic light+1.jpg';
      const { predictions } = (
        await app.inject({ method: 'POST', url: '/predict', payload: { object } })
      ).json();
      assert.equal(predictions[0].label, 'traffic_light');
      const other = (await ask({ objects: [object] })).json();
      await untilDelivered('the start of the job', async () => (await deliver(starter, startUrl)) > 0);
      assert.equal((await app.inject({ method: 'DELETE', url: `/batch/${other.jobId}` })).statusCode, 200);
      assert.equal((await ask({ prefix: 'input/nothing-here/' })).statusCode, 400);
    } finally {
      await app.close();
    }
  });

  it('called nothing of AWS that the roles of the stack do not allow', (t) => {
    const table = new Map<string, number>();
    for (const { component, service, operation } of calls) {
      const name = `${component} ${service}:${operation}`;
      table.set(name, (table.get(name) ?? 0) + 1);
    }
    for (const [name, count] of [...table].sort()) t.diagnostic(`${name} ${count}`);
    assert.deepEqual(
      new Set(calls.map(({ component }) => component)),
      new Set(['api', 'dispatcher', 'starter', 'worker']),
    );
    assert.deepEqual(refusedCalls(synthTemplate(), calls), []);
  });
});

/** S3's part between event and queue: takes the S3 server's webhook calls and sends each notification to SQS. */
async function startEventBridge(moto: Moto, queueUrl: string): Promise<Server> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    await moto.call('AmazonSQS.SendMessage', {
      QueueUrl: queueUrl,
      MessageBody: withEncodedKeys(Buffer.concat(parts).toString()),
    });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** AWS encodes the keys of its notifications as forms do; this S3 server leaves them as they are, and says so by its configuration's name. */
function withEncodedKeys(body: string): string {
  const event = JSON.parse(body);
  for (const { s3 } of event.Records ?? []) {
    if (!s3?.object?.key) continue;
    s3.configurationId = 'drop';
    s3.object.key = encodeURIComponent(s3.object.key).replaceAll('%20', '+').replaceAll('%2F', '/');
  }
  return JSON.stringify(event);
}
