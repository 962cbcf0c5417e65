import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { loadConfig } from '../../src/config/config.ts';
import { isAppError } from '../../src/domain/errors.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('messages that end the search', () => {
  let server: TestApp;
  before(async () => {
    server = await startApp({ models: createGatedModels() });
  });
  after(() => server.close());

  const detailOf = async (response: PromiseLike<{ body: { code: string; detail: string } }>) => {
    const { body } = await response;
    return `${body.code}: ${body.detail}`;
  };

  test('an unknown query parameter names the nearest one', async () => {
    const send = async (query: string) =>
      server.http
        .post(`/predict?${query}`)
        .type('image/png')
        .send(await picture(1));
    assert.equal(
      await detailOf(send('topk=3')),
      'INVALID_REQUEST: query topk is unknown; did you mean "topK"?',
    );
    assert.equal(
      await detailOf(send('modle=x')),
      'INVALID_REQUEST: query modle is unknown; did you mean "model"?',
    );
    assert.match(await detailOf(send('quality=3')), /query quality is unknown; available: .*topK/);
  });

  test('an unknown field of a JSON body names the nearest one', async () => {
    const send = (body: object) => server.http.post('/batch').send(body);
    assert.match(
      await detailOf(send({ prefx: 'input/' })),
      /^INVALID_REQUEST: body prefx is unknown; did you mean "prefix"\?/,
    );
  });

  test('an unknown field of a form names the nearest one', async () => {
    const form = server.http
      .post('/predict')
      .field('TopK', '3')
      .attach('image', await picture(1), 'a.png');
    assert.equal(
      await detailOf(form),
      'INVALID_REQUEST: the form field "TopK" is unknown; did you mean "topK"?',
    );
  });

  test('GET /health and GET /version answer', async () => {
    assert.deepEqual((await server.http.get('/health')).body, { status: 'ready' });
    const { body } = await server.http.get('/version');
    assert.equal(body.name, 'ml-serverless');
    assert.match(body.version, /^\d+\.\d+\.\d+$/);
  });

  test('a directory as STORE suggests the address of a directory', () => {
    const failsWith = (STORE: string, message: RegExp) =>
      assert.throws(
        () => loadConfig({ STORE }),
        (error) => isAppError(error, 'INVALID_CONFIGURATION') && message.test(error.message),
      );
    failsWith('data', /; for a directory, set STORE=file:\.\/data$/);
    failsWith('/srv/data', /set STORE=file:\/srv\/data$/);
    failsWith('s3:bucket', /file:<folder> or s3:\/\/<bucket>\)$/);
  });

  test('a wrong value of a setting with a list of values names them', () => {
    assert.throws(() => loadConfig({ ENGINE: 'gpu' }), /must be one of auto, tensorflow, wasm/);
  });
});
