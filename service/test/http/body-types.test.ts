import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('what a route takes', () => {
  const models = createGatedModels();
  let server: TestApp;

  before(async () => {
    server = await startApp({ models });
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  const infer = '/v2/models/resnet50/infer';

  test('a form without a boundary, sent to a route that takes JSON, is 415 and not a fault of ours', async () => {
    const { status, body } = await server.http
      .post(infer)
      .set('content-type', 'multipart/form-data')
      .send('{"inputs": []}');
    assert.deepEqual([status, body.code], [415, 'UNSUPPORTED_MEDIA_TYPE']);
    assert.match(body.detail, /application\/json/);
  });

  test('a request without a body is 400 on every route that takes one', async () => {
    for (const path of [infer, '/predict', '/explain', '/invocations', '/batch']) {
      const { status, body } = await server.http.post(path);
      assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'], path);
    }
    const table = await server.http.post('/predict').set('content-type', 'text/csv');
    assert.deepEqual([table.status, table.body.code], [400, 'INVALID_REQUEST']);
  });

  test('a type that another route takes is 415 where it is not declared', async () => {
    for (const [path, type] of [
      ['/predict', 'application/x-ndjson'],
      ['/explain', 'text/csv'],
    ] as const) {
      const { status, body } = await server.http.post(path).set('content-type', type).send('1\n');
      assert.deepEqual([status, body.code], [415, 'UNSUPPORTED_MEDIA_TYPE'], path);
    }
  });

  test('a method that no route has is 405, whatever is wrong with its body', async () => {
    const status = await new Promise((done, fail) => {
      request({ host: '127.0.0.1', port: server.port, path: '/models', method: 'QUERY' }, (response) => {
        response.resume();
        done([response.statusCode, response.headers.allow]);
      })
        .on('error', fail)
        .end();
    });
    assert.deepEqual(status, [405, 'GET, HEAD']);
  });
});
