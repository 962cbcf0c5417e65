import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import { resultHeader, resultLines } from '../../src/domain/csv.ts';
import { createThumbnailer } from '../../src/inference/image/thumbnail.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { contentOf, picture, rowsOf, tempBatch, tempQueue, untilFinished } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

const program = await findVersitygw();
const skip = !program && VERSITYGW_MISSING;

let model: TinyModel;
let server: S3Server;
let objects: ObjectStore;
let queue: JobQueue;
let batch: Batch;
/** On a laptop or in a container, and on AWS Lambda, which limits its responses. */
let app: TestApp;
let onLambda: TestApp;
before(async () => {
  if (!program) return;
  model = await makeTinyModel();
  server = await startS3Server(program);
  objects = createS3Store(server.bucket, { endpoint: server.endpoint });
  for (let n = 0; n < 20; n++) await objects.put(`input/set/${n}.png`, await picture(n));
  queue = tempQueue({ ...model.env, STORE: objects.uri, S3_ENDPOINT: server.endpoint });
  batch = tempBatch(objects, queue, { thumbnail: createThumbnailer({ maxPixels: 1_000_000 }) });
  const services = { models: createGatedModels(), objects, batch };
  app = await startApp(services);
  onLambda = await startApp({ ...services, config: { maxResponseBytes: 1000 } });
});
after(async () => {
  await onLambda?.close();
  await app?.close();
  await batch?.close();
  await queue?.close();
  await server?.close();
  await model?.close();
});

async function endedJob(options: object): Promise<string> {
  const { jobId } = await batch.create({
    jobId: `j-${JSON.stringify(options).length}`,
    origin: 'request',
    source: { kind: 'prefix', prefix: 'input/set/' },
    model: 'tiny',
    topK: 2,
    ...options,
  });
  assert.equal((await untilFinished(batch, jobId)).status, 'SUCCEEDED');
  return jobId;
}

test('rows over S3: three files, no output, and GET streams each format', { skip }, async () => {
  const jobId = await endedJob({ results: 'rows' });
  assert.equal((await contentOf(objects, 'output/')).size, 0);
  const rows = await rowsOf(batch, jobId);
  const results = `/batch/${jobId}/results`;
  const lines = await app.http
    .get(results)
    .expect(200)
    .expect('content-type', 'application/x-ndjson')
    .buffer(true);
  assert.equal(lines.text, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const csv = await app.http.get(`${results}?format=csv`).expect(200).buffer(true);
  assert.equal(csv.text, resultHeader(2) + resultLines(rows, 2));
  const parquet = await app.http
    .get(`${results}?format=parquet`)
    .expect(200)
    .expect('content-type', 'application/vnd.apache.parquet')
    .buffer(true)
    .parse((response, done) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => done(null, Buffer.concat(parts)));
    });
  // The file has larger groups, but this job fits into one.
  assert.ok((await objects.get(`jobs/${jobId}/parquet/results.parquet`)).equals(parquet.body));
});

test('a response that Lambda cannot send is a redirect to the file in S3', { skip }, async () => {
  const jobId = await endedJob({ results: 'rows' });
  const rows = await rowsOf(batch, jobId);
  for (const [format, type, text] of [
    ['jsonl', 'application/x-ndjson', rows.map((row) => `${JSON.stringify(row)}\n`).join('')],
    ['csv', 'text/csv; charset=utf-8', resultHeader(2) + resultLines(rows, 2)],
  ] as const) {
    const { headers } = await onLambda.http.get(`/batch/${jobId}/results?format=${format}`).expect(303);
    assert.ok(headers.location?.startsWith(`${server.endpoint}/`), headers.location);
    const response = await fetch(headers.location ?? '');
    assert.equal(response.headers.get('content-type'), type);
    assert.equal(await response.text(), text);
  }
  const { headers } = await onLambda.http.get(`/batch/${jobId}/results?format=parquet`).expect(303);
  assert.match(headers.location ?? '', /results\.parquet\?/);
});

test('a job without a result file is streamed wherever it runs', { skip }, async () => {
  const jobId = await endedJob({});
  assert.equal((await contentOf(objects, 'output/')).size, 20);
  const { text } = await onLambda.http.get(`/batch/${jobId}/results`).expect(200).buffer(true);
  assert.equal(text.split('\n').length, 21);
  await onLambda.http.get('/batch/unknown/results?format=parquet').expect(404);
});

test('the last worker stores the report of a request; GET serves it under a policy without scripts', {
  skip,
}, async () => {
  const jobId = await endedJob({});
  // The job has ended with its last marker; the report follows.
  const stored = (
    await until('the report', () => objects.get(`jobs/${jobId}/report.html`).catch(() => undefined))
  ).toString();
  assert.equal(stored.match(/data:image\/webp/g)?.length, 20);
  const { text, headers } = await app.http.get(`/batch/${jobId}/report`).expect(200);
  assert.equal(text, stored);
  assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  assert.match(headers['content-security-policy'] ?? '', /^default-src 'none'; img-src data:;/);
  assert.doesNotMatch(headers['content-security-policy'] ?? '', /script-src/);
  await app.http.get('/batch/unknown/report').expect(404);
  const { links } = (await app.http.get(`/batch/${jobId}`).expect(200)).body;
  assert.equal(links.report, `/batch/${jobId}/report`);
});

test('the report of a drop is made by the first GET', { skip }, async () => {
  const jobId = await endedJob({ origin: 'drop', topK: 3 });
  const key = `jobs/${jobId}/report.html`;
  await assert.rejects(objects.head(key), { code: 'OBJECT_NOT_FOUND' });
  const { text } = await app.http.get(`/batch/${jobId}/report`).expect(200);
  assert.match(text, /<dd>tiny [\d.]+<\/dd>/);
  assert.equal((await objects.get(key)).toString(), text);
});
