import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import { resultHeader, resultLines } from '../../src/domain/csv.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import {
  contentOf,
  idleQueue,
  picture,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

let model: TinyModel;
let store: Awaited<ReturnType<typeof tempStore>>;
let queue: JobQueue;
let batch: Batch;
let app: TestApp;
before(async () => {
  model = await makeTinyModel();
  store = await tempStore();
  // The server's model is resnet50 here; the workers know it as the tiny one.
  queue = tempQueue({ ...model.env });
  const real = queue.submit;
  const tinyQueue = {
    ...queue,
    submit: (job: Parameters<typeof real>[0]) => real({ ...job, environment: { MODEL: 'tiny' } }),
  };
  batch = tempBatch(store, tinyQueue, { shardSize: 20, chunkSize: 4 });
  const services = {
    models: createGatedModels(),
    objects: store,
    batch: asTiny(batch),
    env: { MAX_IMAGE_BYTES: '50000' },
  };
  app = await startApp(services);
  for (let n = 0; n < 30; n++) await store.put(`input/set/${n}.png`, await picture(n));
  await store.put('input/set/bad.jpg', 'no picture');
});
after(async () => {
  await app.close();
  await batch.close();
  await queue.close();
  await store.close();
  await model.close();
});

/** Jobs are recorded for the model that the workers have. */
function asTiny(inner: Batch): Batch {
  return { ...inner, create: (request) => inner.create({ ...request, model: 'tiny' }) };
}

/** Reports are not counted: the worker of an earlier job writes one after the job has ended. */
const untouched = async () =>
  [...(await contentOf(store, 'jobs/')).keys()].filter((key) => !key.endsWith('/report.html')).length;

test('a prefix becomes a job with links, whose results are streamed, and which is in the list', async () => {
  const made = await app.http.post('/batch').send({ prefix: 'input/set/', topK: 2 }).expect(202);
  const { jobId, links } = made.body;
  assert.equal(made.headers.location, `/batch/${jobId}`);
  const self = `/batch/${jobId}`;
  assert.deepEqual(links, { self, results: `${self}/results`, report: `${self}/report` });
  await untilFinished(batch, jobId);
  const status = (await app.http.get(links.self).expect(200)).body;
  assert.equal(status.status, 'PARTIAL');
  assert.deepEqual(status.counts, { total: 31, succeeded: 30, failed: 1, pending: 0 });
  const results = await app.http.get(links.results).expect(200).buffer(true);
  assert.match(results.headers['content-type'] ?? '', /^application\/x-ndjson/);
  const rows = results.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(rows.length, 31);
  assert.equal(rows.find(({ key }) => key === 'input/set/bad.jpg').error.code, 'UNREADABLE_IMAGE');
  assert.ok(rows.every((row) => row.error || row.predictions.length === 2));
  const csv = await app.http.get(`${links.results}?format=csv`).expect(200).buffer(true);
  assert.equal(csv.headers['content-type'], 'text/csv; charset=utf-8');
  assert.equal(csv.text, resultHeader(2) + resultLines(rows, 2));
  await app.http.get(`${links.results}?format=xml`).expect(400);
  const list = (await app.http.get('/batch?limit=1').expect(200)).body;
  assert.equal(list.jobs[0].jobId, jobId);
});

test('objects by key or by the address of the own store, each once; one that is not there is a row', async () => {
  const objects = ['input/set/1.png', `${store.uri}/input/set/1.png`, 'input/set/2.png', 'input/gone.png'];
  const { jobId } = (await app.http.post('/batch').send({ objects }).expect(202)).body;
  const status = await untilFinished(batch, jobId);
  assert.deepEqual(status.counts, { total: 3, succeeded: 2, failed: 1, pending: 0 });
});

test('files of a form become a job, those of one name too; their results stay with the job', async () => {
  const request = app.http.post('/batch').field('topK', '3');
  for (const n of [1, 2]) request.attach('files', await picture(n), 'same.png');
  request.attach('other', Buffer.from('no picture'), 'täxt.jpg');
  const { jobId } = (await request.expect(202)).body;
  assert.deepEqual((await untilFinished(batch, jobId)).counts, {
    total: 3,
    succeeded: 2,
    failed: 1,
    pending: 0,
  });
  const outputs = await contentOf(store, `jobs/${jobId}/outputs/`);
  assert.equal(outputs.size, 3);
});

/** Sends pictures under these names as they are: supertest sends the last part of a path only. */
async function sendForm(names: readonly string[]): Promise<Response> {
  const form = new FormData();
  for (const [n, name] of names.entries()) {
    form.append('files', new Blob([new Uint8Array(await picture(n))]), name);
  }
  return fetch(`${app.url}/batch`, { method: 'POST', body: form });
}

test('files of a form keep their relative path, so that those of one name in two folders are two', async () => {
  const response = await sendForm(['cats/same.png', 'dogs/same.png', 'dogs/same.png', 'dogs/ä b/..c.png']);
  assert.equal(response.status, 202);
  const { jobId } = (await response.json()) as { jobId: string };
  await untilFinished(batch, jobId);
  const keys = (await rowsOf(batch, jobId)).map(({ key }) =>
    key.replace(/^jobs\/[^/]+\/uploads\/[0-9a-f]{16}\//, ''),
  );
  const expected = ['cats/same.png', 'dogs/2-same.png', 'dogs/same.png', 'dogs/ä b/..c.png'];
  assert.deepEqual(keys.sort(), expected);
});

test('a file whose path leads out of its folder is refused, and nothing is stored', async () => {
  const before = await untouched();
  const upwards = ['../a.png', 'a/../../b.png', 'a\\..\\b.png', './a.png', '..'];
  const absolute = ['/etc/a.png', 'C:\\a.png', 'c:/a.png', '\\\\host\\a.png'];
  for (const name of [...upwards, ...absolute, 'a//b.png', 'a/']) {
    const response = await sendForm(['first.png', name]);
    const { code, detail } = (await response.json()) as { code: string; detail: string };
    assert.deepEqual([response.status, code], [400, 'INVALID_REQUEST'], name);
    assert.match(detail, /relative path/, name);
  }
  assert.equal(await untouched(), before);
});

test('a form over its limit is 413 that says what to do, and leaves nothing behind', async () => {
  const MIB = 2 ** 20;
  const large = await startApp({ models: createGatedModels(), objects: store, batch });
  const before = await untouched();
  const name = (n: number) => `Content-Disposition: form-data; name="f"; filename="${n}.png"`;
  const part = (n: number) => Buffer.from(`--b\r\n${name(n)}\r\n\r\n${'x'.repeat(16 * MIB)}\r\n`);
  const send = async (files: number, isChunked: boolean) => {
    const parts = [...Array.from({ length: files }, (_, n) => part(n)), Buffer.from('--b--\r\n')];
    const response = await fetch(`${large.url}/batch`, {
      method: 'POST',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: isChunked ? ReadableStream.from(parts) : Buffer.concat(parts),
      duplex: 'half',
    } as RequestInit);
    const { code, detail = '' } = (await response.json()) as { code?: string; detail?: string };
    return { status: response.status, code, detail };
  };
  for (const isChunked of [false, true]) {
    const { status, code, detail } = await send(5, isChunked);
    assert.deepEqual([status, code], [413, 'PAYLOAD_TOO_LARGE']);
    assert.match(detail, /larger than 67108864 bytes; split .* or put the files into the store/);
    assert.equal(await untouched(), before);
  }
  assert.equal((await send(4, true)).status, 202);
  await large.close();
});

test('an idempotencyKey makes one job of many requests, and refuses another request', async () => {
  const body = { prefix: 'input/set/1', idempotencyKey: 'once' };
  const answers = await Promise.all([1, 2, 3].map(() => app.http.post('/batch').send(body).expect(202)));
  assert.equal(new Set(answers.map(({ body: { jobId } }) => jobId)).size, 1);
  const conflict = await app.http
    .post('/batch')
    .send({ ...body, prefix: 'input/set/2' })
    .expect(409);
  assert.equal(conflict.body.code, 'CONFLICT');
  const other = await app.http.post('/batch').send({ prefix: 'input/set/1' }).expect(202);
  assert.notEqual(other.body.jobId, answers[0]?.body.jobId);
});

test('a job that cannot be made is a problem with a code and leaves nothing behind', async () => {
  const before = await untouched();
  const cases: readonly [object, number, string][] = [
    [{}, 400, 'INVALID_REQUEST'],
    [{ prefix: 'input/set/', objects: ['input/a'] }, 400, 'INVALID_REQUEST'],
    [{ prefix: 'input/nothing-here/' }, 400, 'INVALID_REQUEST'],
    [{ prefix: 'jobs/' }, 400, 'INVALID_REQUEST'],
    [{ prefix: 's3://other-bucket/input/' }, 400, 'INVALID_REQUEST'],
    [{ objects: ['http://169.254.169.254/latest/meta-data/'] }, 400, 'INVALID_REQUEST'],
    [{ objects: [] }, 400, 'INVALID_REQUEST'],
    [{ prefix: 'input/set/', topK: 0 }, 400, 'INVALID_REQUEST'],
    [{ prefix: 'input/set/', surprise: 1 }, 400, 'INVALID_REQUEST'],
    [{ prefix: 'input/set/', model: 'nonesuch' }, 404, 'MODEL_NOT_FOUND'],
    [{ objects: [`input/${'x'.repeat(1100)}`] }, 400, 'INVALID_REQUEST'],
  ];
  for (const [body, status, code] of cases) {
    const answer = await app.http.post('/batch').send(body);
    assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(body).slice(0, 100));
  }
  const big = app.http
    .post('/batch')
    .attach('a', await picture(1), 'a.png')
    .attach('b', Buffer.alloc(60_000), 'b.png');
  assert.equal((await big).body.code, 'IMAGE_TOO_LARGE');
  const late = app.http
    .post('/batch')
    .attach('a', await picture(1), 'a.png')
    .field('topK', '3');
  assert.equal((await late).body.code, 'INVALID_REQUEST');
  const none = app.http.post('/batch').field('topK', '3');
  assert.equal((await none).body.code, 'INVALID_REQUEST');
  const raw = app.http
    .post('/batch')
    .set('content-type', 'image/png')
    .send(await picture(1));
  assert.equal((await raw).body.code, 'UNSUPPORTED_MEDIA_TYPE');
  assert.equal(await untouched(), before);
});

test('a job that is not there is JOB_NOT_FOUND on every route', async () => {
  for (const request of [
    app.http.get('/batch/none'),
    app.http.get('/batch/none/results'),
    app.http.delete('/batch/none'),
  ]) {
    const answer = await request;
    assert.deepEqual([answer.status, answer.body.code], [404, 'JOB_NOT_FOUND']);
  }
});

test('cancelling ends a job and keeps its rows; cancelling again changes nothing', async () => {
  const { jobId } = (await app.http.post('/batch').send({ prefix: 'input/set/' }).expect(202)).body;
  const answer = (await app.http.delete(`/batch/${jobId}`).expect(200)).body;
  assert.equal(answer.status, 'CANCELLED');
  assert.deepEqual((await app.http.delete(`/batch/${jobId}`).expect(200)).body, answer);
  assert.equal((await app.http.get(`/batch/${jobId}`).expect(200)).body.status, 'CANCELLED');
});

test('the list pages through every job once, newest first', async () => {
  const idle = tempBatch(store, idleQueue());
  for (let n = 0; n < 5; n++) {
    const source = { kind: 'prefix', prefix: 'input/set/' } as const;
    await idle.create({ jobId: `list-${n}`, origin: 'request', source, model: 'tiny', topK: 1 });
    await idle.cancel(`list-${n}`, 'only listed');
  }
  const seen: { jobId: string; createdAt: string }[] = [];
  for (let cursor = ''; ; ) {
    const page = (await app.http.get(`/batch?limit=2${cursor}`).expect(200)).body;
    assert.ok(page.jobs.length <= 2);
    seen.push(...page.jobs);
    if (page.next === undefined) break;
    cursor = `&cursor=${page.next}`;
  }
  assert.equal(new Set(seen.map(({ jobId }) => jobId)).size, seen.length);
  assert.deepEqual(
    seen
      .slice(0, 5)
      .map(({ jobId }) => jobId)
      .sort(),
    [0, 1, 2, 3, 4].map((n) => `list-${n}`),
  );
  const times = seen.map(({ createdAt }) => createdAt);
  assert.deepEqual(times, times.toSorted().toReversed());
  assert.equal((await app.http.get('/batch?cursor=nonsense')).status, 400);
});
