import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('every route', () => {
  const models = createGatedModels();
  let server: TestApp;

  before(async () => {
    server = await startApp({ models });
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  test('GET /models lists the models without their labels; GET /models/{name} has them', async () => {
    const [{ labels, ...info } = assert.fail('no model')] = models.list();
    const list = await server.http.get('/models');
    assert.equal(list.status, 200);
    assert.deepEqual(list.body.models, [{ ...info, classes: 1000 }]);
    const one = await server.http.get('/models/resnet50');
    assert.deepEqual([one.status, one.body], [200, { ...info, classes: 1000, labels }]);
    const unknown = await server.http.get('/models/resnet51');
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'MODEL_NOT_FOUND']);
  });

  test('GET / is a page whose files come from here, under a policy without inline code, styles or markup from text', async () => {
    const page = await server.http.get('/');
    assert.deepEqual([page.status, page.type], [200, 'text/html']);
    const policy = page.headers['content-security-policy'] ?? '';
    assert.doesNotMatch(policy, /unsafe|https?:/);
    assert.match(policy, /require-trusted-types-for 'script'/);
    assert.doesNotMatch(page.text, /<style|style="|<script[^>]*>[^<]|\son[a-z]+=/);
    const loaded = [...page.text.matchAll(/(?:src|href)="(web\/[^"]+)"/g)].map(([, path]) => path);
    assert.ok(loaded.length >= 5);
    for (const path of loaded) assert.equal((await server.http.get(`/${path}`)).status, 200, path);
    assert.equal((await server.http.get('/web/../config.ts')).status, 404);
  });

  test('GET /docs and all it loads come from here, under a policy that allows nothing else', async () => {
    const page = await server.http.get('/docs/');
    assert.equal(page.status, 200);
    const policy = page.headers['content-security-policy'] ?? '';
    assert.doesNotMatch(policy, /https?:/);
    assert.match(policy, /script-src 'self';/);
    assert.doesNotMatch(page.text, /<script>[^<]/, 'an inline script would be blocked by the policy');
    const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url as string);
    assert.ok(loaded.length >= 4);
    for (const url of loaded) {
      assert.doesNotMatch(url, /^(https?:)?\/\//);
      const { pathname } = new URL(url, `${server.url}/docs/`);
      assert.equal((await server.http.get(pathname)).status, 200, pathname);
    }
  });

  test('GET /openapi.json is the document, and HEAD answers without a body', async () => {
    const { body } = await server.http.get('/openapi.json');
    assert.equal(body.openapi, '3.1.0');
    assert.ok(body.paths['/predict'].post);
    const head = await server.http.head('/health/live');
    assert.equal(head.status, 200);
    assert.equal(head.text, undefined);
  });

  test('an unknown path is 404, a known path with another method 405 with Allow', async () => {
    for (const path of ['/nope', '/predict/x', '/predictx', '/.env', '/healthy']) {
      const response = await server.http.get(path);
      assert.deepEqual([response.status, response.body.code], [404, 'NOT_FOUND'], path);
    }
    const get = await server.http.get('/predict');
    assert.deepEqual([get.status, get.body.code, get.headers.allow], [405, 'METHOD_NOT_ALLOWED', 'POST']);
    const remove = await server.http.delete('/models');
    assert.deepEqual([remove.status, remove.headers.allow], [405, 'GET, HEAD']);
    const options = await server.http.options('/predict');
    assert.equal(options.status, 405);
  });

  test('a sane x-request-id is kept, any other is replaced', async () => {
    const sane = await server.http.get('/nope').set('x-request-id', 'trace-1.2:3');
    assert.deepEqual([sane.headers['x-request-id'], sane.body.requestId], ['trace-1.2:3', 'trace-1.2:3']);
    assert.match(server.log(), /"requestId":"trace-1.2:3"/);
    for (const odd of ['a b', '"', 'x'.repeat(129), '<script>']) {
      const response = await server.http.get('/nope').set('x-request-id', odd);
      assert.match(response.headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
    }
  });

  test('every answer has the security headers, errors too', async () => {
    for (const path of ['/', '/models', '/nope', '/openapi.json']) {
      const { headers } = await server.http.get(path);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
      assert.match(headers['content-security-policy'] ?? '', /default-src 'self'/, path);
      assert.match(headers['content-security-policy'] ?? '', /frame-ancestors 'none'/, path);
      assert.equal(headers['x-powered-by'], undefined);
      assert.equal(headers.server, undefined);
    }
  });

  test('a trailing slash makes no difference', async () => {
    assert.equal((await server.http.get('/models/')).status, 200);
  });

  test('probes that ask before the model is loaded are told 503, and that is no news above debug level', async () => {
    const before = server.log().length;
    models.ready = false;
    try {
      for (const path of ['/ping', '/health/ready']) assert.equal((await server.http.get(path)).status, 503);
    } finally {
      models.ready = true;
    }
    const lines = server.log().slice(before).trim().split('\n');
    assert.deepEqual(
      lines.map((line) => [JSON.parse(line).path, JSON.parse(line).code, JSON.parse(line).level]),
      ['/ping', '/health/ready'].flatMap((path) => [
        [undefined, 'MODEL_NOT_READY', 20],
        [path, undefined, 20],
      ]),
    );
  });

  test('the log has one line for a request, without its query, headers or body', async () => {
    const image = await picture();
    const before = server.log().length;
    await server.http
      .post('/predict?topK=7')
      .set('authorization', 'Bearer do-not-log-me')
      .send({ image: image.toString('base64') });
    const lines = server.log().slice(before).trim().split('\n');
    assert.equal(lines.length, 1, lines.join('\n'));
    const line = JSON.parse(lines[0] as string);
    assert.deepEqual([line.method, line.path, line.status], ['POST', '/predict', 200]);
    assert.doesNotMatch(lines[0] as string, /do-not-log-me|topK|base64/);
    assert.doesNotMatch(
      lines[0] as string,
      new RegExp(image.toString('base64').slice(0, 20).replaceAll('+', '\\+')),
    );
  });
});
