import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { picture } from '../helpers/batch-fixture.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../helpers/otlp-receiver.ts';
import { spawnServer } from '../helpers/server-process.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';

const KEY = 'a-key-for-this-test-only';
const PREDICT_TRACE = 'a'.repeat(32);
const BATCH_TRACE = 'b'.repeat(32);
const CALLER = 'c'.repeat(16);
/** 2 shards (of 4 and 3 inputs) of 2 chunks each. */
const SIZES = { SHARD_SIZE: '4', CHUNK_SIZE: '2' };

describe('traces and logs of the server and its worker processes', () => {
  let collector: OtlpReceiver;
  let model: TinyModel;
  let store = '';
  let stdout = '';
  let jobId = '';
  let metrics = '';
  let image: Buffer;
  const named = (name: string, traceId?: string) =>
    collector.spans.filter((span) => span.name === name && (!traceId || span.traceId === traceId));

  before(async () => {
    collector = await startOtlpReceiver();
    model = await makeTinyModel();
    store = mkdtempSync(join(tmpdir(), 'traces-'));
    mkdirSync(join(store, 'input'));
    for (let n = 0; n < 6; n++) writeFileSync(join(store, 'input', `${n}.png`), await picture(n));
    writeFileSync(join(store, 'input', 'broken.png'), 'not a picture');
    image = await picture(7);
    const server = spawnServer({
      ...model.env,
      ...SIZES,
      STORE: `file:${store}`,
      DROP: 'off',
      API_KEYS: KEY,
      LOG_LEVEL: 'debug',
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_SERVICE_NAME: 'pictures',
    });
    try {
      const url = await server.url;
      const ask = async (path: string, traceId: string, init: RequestInit = {}) => {
        const headers = {
          'x-api-key': KEY,
          traceparent: `00-${traceId}-${CALLER}-01`,
          ...(init.headers as Record<string, string>),
        };
        return fetch(`${url}${path}`, { ...init, headers });
      };
      const predict = (body: Uint8Array | string) =>
        ask('/predict', PREDICT_TRACE, {
          method: 'POST',
          headers: { 'content-type': 'image/png' },
          body: body as NonNullable<RequestInit['body']>,
        });
      const answers = await Promise.all([
        predict(image),
        predict(image),
        predict(image),
        predict('nonsense'),
      ]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 422],
      );
      const submitted = await ask('/batch', BATCH_TRACE, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prefix: 'input/' }),
      });
      assert.equal(submitted.status, 202);
      jobId = ((await submitted.json()) as { jobId: string }).jobId;
      await until('the end of the job', async () => {
        const status = (await (await ask(`/batch/${jobId}`, BATCH_TRACE)).json()) as { finishedAt?: string };
        return status.finishedAt !== undefined;
      });
      // The queue learns of a worker's end a moment after its last marker is written.
      await until("the job's end in the metrics", async () => {
        metrics = await (await ask('/metrics', PREDICT_TRACE)).text();
        return metrics.includes('batch_jobs_total{event="succeeded"} 1');
      });
    } finally {
      server.child.kill('SIGTERM');
      await server.exit;
      stdout = server.stdout();
    }
  });
  after(async () => {
    await collector?.close();
    await model?.close();
    rmSync(store, { recursive: true, force: true });
  });

  test("a request's span joins its caller's trace and holds decode, queue, inference", () => {
    const requests = named('POST /predict', PREDICT_TRACE);
    assert.equal(requests.length, 4);
    const good = requests.filter(({ attributes }) => attributes['http.response.status_code'] === 200);
    assert.equal(good.length, 3);
    for (const request of good) {
      assert.deepEqual(
        [request.kind, request.parentSpanId, request.service, request.attributes['http.route']],
        [2, CALLER, 'pictures', '/predict'],
      );
      const stages = childrenOf(request);
      assert.deepEqual(stages.map(({ name }) => name).sort(), ['decode', 'inference', 'queue']);
      for (const stage of stages) {
        assert.ok(stage.from <= stage.to, stage.name);
        // Two clocks: a millisecond between them is no fault.
        assert.ok(stage.from >= request.from - 2_000_000n && stage.to <= request.to + 2_000_000n, stage.name);
      }
    }
    const [refused] = requests.filter(({ attributes }) => attributes['http.response.status_code'] === 422);
    assert.ok(refused);
    const [decode] = childrenOf(refused);
    assert.deepEqual([decode?.name, decode?.status], ['decode', 2]);
    assert.equal(decode?.attributes['error.type'], 'UNREADABLE_IMAGE');
  });

  test('each batch is a trace of its own, with links to and from its images', () => {
    const inferences = named('inference', PREDICT_TRACE);
    const batches = named('inference batch');
    assert.equal(inferences.length, 3);
    assert.ok(batches.length >= 1);
    for (const inference of inferences) {
      const batch = batches.find(({ spanId }) => inference.links.includes(spanId));
      assert.ok(batch, 'a link from the image to its batch');
      assert.notEqual(batch.traceId, PREDICT_TRACE);
      assert.ok(batch.links.includes(inference.parentSpanId), 'a link from the batch to the request');
      assert.equal(batch.attributes['model.name'], 'tiny');
    }
    assert.equal(
      batches.reduce((sum, { attributes }) => sum + Number(attributes['batch.size']), 0),
      3,
    );
  });

  test("a job's trace continues in its workers: request, submit job, work shard, chunk", () => {
    const [request] = named('POST /batch', BATCH_TRACE);
    const [submit, ...others] = named('submit job', BATCH_TRACE);
    assert.equal(others.length, 0);
    assert.equal(submit?.parentSpanId, request?.spanId);
    assert.deepEqual([submit?.kind, submit?.attributes['job.id']], [4, jobId]);
    const shards = named('work shard', BATCH_TRACE);
    assert.deepEqual(shards.map(({ attributes }) => Number(attributes['job.shard'])).sort(), [0, 1]);
    for (const shard of shards) {
      assert.deepEqual(
        [shard.kind, shard.parentSpanId, shard.attributes['job.id']],
        [5, submit?.spanId, jobId],
      );
      assert.deepEqual(
        childrenOf(shard)
          .map(({ name, attributes }) => `${name} ${attributes['job.chunk']}`)
          .sort(),
        ['chunk 0', 'chunk 1'],
      );
    }
  });

  test('no trace is in the store, and no key or image is in a trace', () => {
    for (const text of filesIn(store)) assert.ok(!text.includes(BATCH_TRACE));
    const sent = collector.text();
    assert.ok(!sent.includes(KEY) && !sent.includes(image.toString('base64').slice(0, 40)));
  });

  test('log lines have requestId and traceId, and those of workers jobId and shard', () => {
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const ofRequests = lines.filter(({ msg }) => /^request/.test(msg));
    assert.ok(ofRequests.length >= 6);
    for (const line of ofRequests) {
      assert.ok(line.requestId, JSON.stringify(line));
      if (line.path !== '/metrics') assert.match(line.traceId, /^(a{32}|b{32})$/, JSON.stringify(line));
    }
    const submitted = lines.find(({ msg }) => msg === 'job submitted');
    assert.ok(submitted?.jobId === jobId && submitted.requestId && submitted.traceId === BATCH_TRACE);
    const done = lines.filter(({ msg }) => msg === 'shard done');
    assert.deepEqual(done.map(({ shard, jobId: id }) => `${id} ${shard}`).sort(), [
      `${jobId} 0`,
      `${jobId} 1`,
    ]);
    // A server and two workers loaded the model: two of the three lines are a job's.
    const loaded = lines.filter(({ msg }) => msg === 'model ready');
    assert.equal(loaded.length, 3);
    assert.equal(loaded.filter((line) => line.jobId === jobId && 'shard' in line).length, 2);
    const codes = done.map(({ rows }) => rows);
    assert.equal(
      codes.reduce((sum, { OK = 0 }) => sum + OK, 0),
      6,
    );
    assert.ok(!stdout.includes(KEY), 'no key');
    assert.ok(!stdout.includes(image.toString('base64').slice(0, 40)), 'no picture');
    assert.ok(!stdout.includes('\\ufffdPNG') && !stdout.includes('IHDR'), 'no picture');
  });

  test('the metrics count jobs, rows by code, batches and the queue', () => {
    for (const line of [
      'batch_jobs_total{event="submitted"} 1',
      'batch_jobs_total{event="succeeded"} 1',
      'batch_rows_total{code="OK"} 6',
      'batch_rows_total{code="UNREADABLE_IMAGE"} 1',
      'inference_batch_size_sum{model="tiny"} 3',
      'classification_queue_depth{model="tiny"} 0',
      'classification_stage_seconds_count{model="tiny",stage="queue"} 3',
    ]) {
      const [name = ''] = line.split('{');
      assert.ok(metrics.includes(`${line}\n`), `${line}\n${metrics.match(new RegExp(`^${name}.*$`, 'gm'))}`);
    }
    assert.match(metrics, /^nodejs_eventloop_lag_p99_seconds \d/m);
  });

  function childrenOf({ spanId }: ReceivedSpan): ReceivedSpan[] {
    return collector.spans.filter((span) => span.parentSpanId === spanId);
  }
});

test('without OTEL_EXPORTER_OTLP_ENDPOINT the OpenTelemetry SDK is not loaded', () => {
  const script = `
    import Module from 'node:module';
    import { pathToFileURL } from 'node:url';
    const at = (file) => import(pathToFileURL('dist/service/src/' + file).href);
    await at('app/services.js');
    const { createTracing } = await at('telemetry/create-tracing.js');
    const { loadConfig } = await at('config/config.js');
    const tracing = await createTracing(loadConfig(), { warn() {} });
    await tracing.close();
    console.log(Object.keys(Module._cache).filter((path) => /@opentelemetry.(sdk|exporter|core)/.test(path)).length > 0);
  `;
  const run = (env: Record<string, string>) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    }).trim();
  assert.equal(run({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), 'false');
  assert.equal(run({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }), 'true');
});

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'));
}
