import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import { contentOf, idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

const APP = 'https://app.example.com';
const EVIL = 'https://evil.example';

describe('web pages of other origins', () => {
  const models = createGatedModels();
  const queue = idleQueue();
  let store: Awaited<ReturnType<typeof tempStore>>;
  let batch: Batch;
  let server: TestApp;
  let sharing: TestApp;
  let keyed: TestApp;

  before(async () => {
    store = await tempStore();
    batch = tempBatch(store, queue);
    const services = { models, objects: store, batch };
    server = await startApp(services);
    sharing = await startApp({ ...services, env: { CORS_ORIGINS: `${APP},http://LOCALHOST:3000` } });
    keyed = await startApp({ ...services, env: { CORS_ORIGINS: APP, API_KEYS: 'key' } });
  });
  after(async () => {
    for (const app of [server, sharing, keyed]) await app.close();
    await batch.close();
    await store.close();
    await models.close();
  });
  beforeEach(() => {
    queue.submissions.length = 0;
  });

  const REFUSED = [403, 'ORIGIN_NOT_ALLOWED'];

  test('a form that a page of another site sends is refused, and stores nothing', async () => {
    const senders: Record<string, string>[] = [
      { origin: EVIL },
      { origin: 'null' },
      { origin: EVIL, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' },
      { origin: 'http://127.0.0.1' },
      { origin: `http://127.0.0.1:${server.port}.evil.example` },
    ];
    for (const headers of senders) {
      const { status, body } = await server.http
        .post('/batch')
        .set(headers)
        .attach('a', Buffer.from('x'), 'a.png');
      assert.deepEqual([status, body.code], REFUSED, JSON.stringify(headers));
    }
    assert.equal((await contentOf(store, 'jobs/')).size, 0);
    assert.equal(queue.submissions.length, 0);
  });

  test('what a page of another site asks for is refused on every route', async () => {
    for (const path of ['/', '/models', '/batch', '/metrics', '/plan?images=1', '/health/live', '/nope']) {
      for (const headers of [{ origin: EVIL }, { 'sec-fetch-site': 'cross-site' }]) {
        const { status, body } = await server.http.get(path).set(headers);
        assert.deepEqual([status, body.code], REFUSED, path);
      }
    }
    const deletion = await server.http.delete('/batch/r-1').set('origin', EVIL);
    assert.deepEqual([deletion.status, deletion.body.code], REFUSED);
    const preflight = await server.http.options('/batch').set({
      origin: EVIL,
      'access-control-request-method': 'POST',
    });
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-origin']], [403, undefined]);
  });

  test('the page itself, typed addresses, links to it and other programs are answered', async () => {
    const origin = `http://127.0.0.1:${server.port}`;
    const senders: Record<string, string>[] = [
      {},
      { origin },
      { origin, 'sec-fetch-site': 'same-origin' },
      // Behind a proxy that changes Host.
      { origin: 'https://photos.example.com', 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    ];
    for (const headers of senders) {
      assert.equal((await server.http.get('/models').set(headers)).status, 200, JSON.stringify(headers));
    }
    // Behind a proxy that ends TLS and keeps Host; the scheme and the default port do not count.
    const tls = await startApp({ models, env: { HOST: '0.0.0.0' } });
    for (const host of ['photos.example.com', 'photos.example.com:443']) {
      const headers = { host, origin: 'https://photos.example.com' };
      assert.equal((await tls.http.get('/models').set(headers)).status, 200, host);
    }
    await tls.close();
  });

  test('pages of CORS_ORIGINS may use the API, and no others', async () => {
    const preflight = {
      'access-control-request-method': 'DELETE',
      'access-control-request-headers': 'x-api-key',
    };
    for (const { http } of [sharing, keyed]) {
      const answer = await http.options('/batch/r-1').set({ origin: APP, ...preflight });
      assert.equal(answer.status, 204);
      assert.equal(answer.headers['access-control-allow-origin'], APP);
      assert.match(answer.headers['access-control-allow-methods'] ?? '', /\bDELETE\b/);
      assert.match(answer.headers['access-control-allow-headers'] ?? '', /\bx-api-key\b/);
      assert.equal(answer.headers['access-control-allow-credentials'], undefined);
      assert.match(answer.headers.vary ?? '', /origin/i);
      const other = await http.options('/batch/r-1').set({ origin: EVIL, ...preflight });
      assert.equal(other.headers['access-control-allow-origin'], undefined);
    }
    const local = await sharing.http.get('/models').set('origin', 'http://localhost:3000');
    assert.deepEqual(
      [local.status, local.headers['access-control-allow-origin']],
      [200, 'http://localhost:3000'],
    );
    const made = await sharing.http
      .post('/batch')
      .set({ origin: APP, 'sec-fetch-site': 'cross-site' })
      .attach('a', Buffer.from('x'), 'a.png');
    assert.equal(made.status, 202);
    assert.match(made.headers['access-control-expose-headers'] ?? '', /location/);
    assert.equal((await sharing.http.get('/models').set('origin', EVIL)).status, 403);
  });

  test('an allowed page still needs the key, and can read the error that says so', async () => {
    const without = await keyed.http.get('/models').set('origin', APP);
    assert.deepEqual([without.status, without.headers['access-control-allow-origin']], [401, APP]);
    assert.equal((await keyed.http.get('/models').set({ origin: APP, 'x-api-key': 'key' })).status, 200);
  });

  test('with CORS_ORIGINS, an unknown path is still 404, and OPTIONS without a preflight is 400', async () => {
    assert.equal((await sharing.http.get('/nope')).status, 404);
    assert.equal((await sharing.http.put('/models')).status, 405);
    const options = await sharing.http.options('/models');
    assert.deepEqual([options.status, options.body.code], [400, 'INVALID_REQUEST']);
  });
});
