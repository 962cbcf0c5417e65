import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { type AwsBatchServer, startAwsBatch } from '../helpers/aws-batch-server.ts';
import { contentOf, picture, workerCommand } from '../helpers/batch-fixture.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../helpers/otlp-receiver.ts';
import { bridged } from '../helpers/s3-events.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

const DISPATCHER = fileURLToPath(new URL('../../src/entrypoints/dispatcher.js', import.meta.url));
const program = await findVersitygw();
const skip = program ? false : VERSITYGW_MISSING;
let s3: S3Server;
let aws: AwsBatchServer;
let model: TinyModel;
let collector: OtlpReceiver;
before(async () => {
  if (!program) return;
  collector = await startOtlpReceiver();
  s3 = await startS3Server(program, 'amzn-s3-demo-bucket');
  model = await makeTinyModel();
  const env = {
    ...model.env,
    S3_ENDPOINT: s3.endpoint,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  };
  aws = await startAwsBatch({ command: workerCommand(env), concurrency: 1 });
});
after(async () => {
  await aws?.close();
  await model?.close();
  await s3?.close();
  await collector?.close();
});

/** The dispatcher in a process of its own, as AWS Lambda runs it. @returns its lines */
function invoke(event: object, requestId: string): Promise<Record<string, unknown>[]> {
  const script = `const { handler } = await import(${JSON.stringify(DISPATCHER)});
    await handler(JSON.parse(process.env.EVENT), { awsRequestId: ${JSON.stringify(requestId)} });
    process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      ...process.env,
      ...model.env,
      EVENT: JSON.stringify(event),
      STORE: `s3://${s3.bucket}`,
      S3_ENDPOINT: s3.endpoint,
      JOBS: 'aws-batch',
      JOB_QUEUE_ARN: aws.jobQueue,
      JOB_DEFINITION_ARN: aws.jobDefinition,
      BATCH_ENDPOINT: aws.endpoint,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      AWS_LAMBDA_FUNCTION_NAME: 'drops',
      AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID ?? 'test',
      AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY ?? 'test',
      AWS_REGION: 'us-east-1',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code !== 0) reject(new Error(`the dispatcher ended with ${code}: ${text}`));
      else
        resolve(
          text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        );
    });
  });
}

test('a trace goes from the event through dispatcher and SubmitJob to the worker', {
  skip,
}, async () => {
  const objects = createS3Store(s3.bucket, s3);
  const bodies = [];
  for (const key of ['input/1.png', 'input/2.png']) {
    await objects.put(key, await picture(bodies.length));
    const event = bridged(key);
    event.detail.object.etag = (await objects.head(key)).etag;
    bodies.push(event);
  }
  const Records = bodies.map((body, i) => ({
    messageId: `m${i}`,
    eventSource: 'aws:sqs',
    body: JSON.stringify(body),
  }));
  const lines = await invoke({ Records }, 'request-1');

  const metrics = lines.filter((line) => '_aws' in line);
  assert.equal(metrics.length, 1);
  const [line = {}] = metrics;
  assert.deepEqual(
    [line.FunctionName, line.requestId, line.Jobs, line.FailedMessages, line.ColdStarts, line.outcome],
    ['drops', 'request-1', 1, 0, 1, 'answered'],
  );
  const log = lines.find(({ msg }) => msg === 'event processed');
  assert.equal(log?.requestId, 'request-1');
  const [jobId] = (log?.jobIds ?? []) as string[];

  // The worker sends its spans before it ends.
  await until("the worker's spans", () => collector.spans.some(({ name }) => name === 'work shard'));
  const one = (name: string) => {
    const found = collector.spans.filter((span) => span.name === name);
    assert.equal(found.length, 1, `${found.length} spans ${name}`);
    return found[0];
  };
  const chain = ['dispatch', 'submit job', 'work shard', 'chunk'].map(one);
  assert.equal(new Set(chain.map((span) => span?.traceId)).size, 1, 'one trace');
  for (const [i, span] of chain.entries())
    assert.equal(span?.parentSpanId, i === 0 ? '' : chain[i - 1]?.spanId, span?.name);
  assert.equal(chain[2]?.attributes['job.id'], jobId);

  const traceId = chain[0]?.traceId ?? '';
  for (const prefix of ['jobs/', 'output/'])
    for (const [key, text] of await contentOf(objects, prefix)) assert.ok(!text.includes(traceId), key);
});
