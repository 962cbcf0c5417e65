import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { contentOf, idleQueue, picture, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp } from '../helpers/test-app.ts';

let store: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  store = await tempStore();
  await store.put('input/a.png', await picture(1));
});
after(() => store.close());

const keys = async () => [...(await contentOf(store, '')).keys()].sort();

test('with BATCH_REQUESTS=off no request makes or cancels a job or uploads, and all can be read', async () => {
  const batch = tempBatch(store, idleQueue());
  const job = {
    origin: 'drop',
    source: { kind: 'prefix', prefix: 'input/' },
    model: 'tiny',
    topK: 5,
  } as const;
  await batch.create({ ...job, jobId: 'd-drop' });
  const env = { BATCH_REQUESTS: 'off' };
  const app = await startApp({ models: createGatedModels(), objects: store, batch, env });
  try {
    const before = await keys();
    const form = app.http.post('/batch').attach('a', await picture(2), 'a.png');
    for (const request of [app.http.post('/batch').send({ prefix: 'input/' }), form]) {
      const { body, headers } = await request.expect(405);
      assert.equal(body.code, 'METHOD_NOT_ALLOWED');
      assert.match(body.detail, /BATCH_REQUESTS=off/);
      assert.equal(headers.allow, 'GET, HEAD');
    }
    await app.http.delete('/batch/d-drop').expect(405);
    const upload = await app.http.post('/uploads').send({ size: 1 }).expect(405);
    assert.match(upload.body.detail, /BATCH_REQUESTS=off/);
    assert.deepEqual(await keys(), before);
    assert.equal((await app.http.get('/batch/d-drop').expect(200)).body.status, 'SUBMITTED');
    assert.equal((await app.http.get('/batch').expect(200)).body.jobs.length, 1);
  } finally {
    await app.close();
    await batch.close();
  }
});

test('beyond MAX_JOBS_PER_DAY a form gets 429 with Retry-After, and leaves no file behind', async () => {
  const batch = tempBatch(store, idleQueue(), { maxJobsPerDay: 1 });
  const app = await startApp({ models: createGatedModels(), objects: store, batch });
  try {
    await app.http.post('/batch').send({ prefix: 'input/' }).expect(202);
    const before = await keys();
    const { body, headers } = await app.http
      .post('/batch')
      .attach('a', await picture(2), 'a.png')
      .expect(429);
    assert.equal(body.code, 'RATE_LIMITED');
    assert.ok(Number(headers['retry-after']) > 86_000, headers['retry-after']);
    assert.deepEqual(await keys(), before);
  } finally {
    await app.close();
    await batch.close();
  }
});
