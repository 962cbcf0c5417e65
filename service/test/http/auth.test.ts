import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('with API_KEYS set', () => {
  const models = createGatedModels();
  let server: TestApp;

  before(async () => {
    server = await startApp({ models, env: { API_KEYS: 'first-key, second-key', LOG_LEVEL: 'trace' } });
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  test('a request without a key, with a wrong one or with a part of one is 401, and says which scheme to use', async () => {
    const wrong: Record<string, string>[] = [
      {},
      { 'x-api-key': '' },
      { 'x-api-key': 'first-ke' },
      { 'x-api-key': 'first-key, second-key' },
      { 'x-api-key': 'First-Key' },
      { authorization: 'Bearer' },
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic first-key' },
      { authorization: 'first-key' },
    ];
    for (const headers of wrong) {
      for (const path of ['/models', '/metrics']) {
        const response = await server.http.get(path).set(headers);
        assert.deepEqual(
          [response.status, response.body.code],
          [401, 'UNAUTHORIZED'],
          JSON.stringify(headers),
        );
        assert.match(response.headers['www-authenticate'] ?? '', /^Bearer /);
      }
    }
  });

  test('each key opens, in x-api-key or as a bearer token', async () => {
    assert.equal((await server.http.get('/models').set('x-api-key', 'first-key')).status, 200);
    assert.equal((await server.http.get('/models').set('x-api-key', 'second-key')).status, 200);
    assert.equal((await server.http.get('/models').set('authorization', 'Bearer second-key')).status, 200);
    assert.equal((await server.http.get('/models').set('authorization', 'bearer first-key')).status, 200);
  });

  test('a large upload without a key reads its 401 instead of a broken pipe', async () => {
    const response = await server.http
      .post('/predict')
      .set('content-type', 'application/octet-stream')
      .send(Buffer.alloc(15_000_000));
    assert.deepEqual([response.status, response.body.code], [401, 'UNAUTHORIZED']);
    assert.equal(models.inferred, 0);
  });

  test('health, the page and the docs stay open', async () => {
    for (const path of [
      '/',
      '/health/live',
      '/health/ready',
      '/docs/',
      '/docs/static/swagger-ui.css',
      '/openapi.json',
    ]) {
      assert.equal((await server.http.get(path)).status, 200, path);
    }
    assert.equal((await server.http.get('/nope')).status, 404);
  });

  test('no key is ever logged', async () => {
    const image = await picture();
    await server.http
      .post('/predict?first-key')
      .set('x-api-key', 'second-key')
      .attach('image', image, 'a.jpg');
    assert.match(server.log(), /"path":"\/predict"/);
    assert.ok(!/first-key|second-key/.test(server.log()), 'a key is in the log');
  });
});
