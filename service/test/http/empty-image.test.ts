import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('an empty image is 422 UNREADABLE_IMAGE', () => {
  const models = createGatedModels();
  let store: Awaited<ReturnType<typeof tempStore>>;
  let server: TestApp;

  before(async () => {
    store = await tempStore();
    await store.put('input/empty.jpg', '');
    server = await startApp({ models, objects: store });
  });
  after(async () => {
    await server.close();
    await store.close();
    await models.close();
  });

  const post = (path: string) => server.http.post(path);
  const bodies = {
    'a raw body': (path: string) => post(path).set('content-type', 'image/jpeg').send(''),
    'a file of a form': (path: string) => post(path).attach('image', Buffer.alloc(0), 'a.jpg'),
    base64: (path: string) => post(path).send({ image: '' }),
    'a data URL': (path: string) => post(path).send({ image: 'data:image/png;base64,' }),
    'an object of the store': (path: string) => post(path).send({ object: 'input/empty.jpg' }),
  };
  for (const path of ['/predict', '/explain', '/invocations']) {
    for (const [name, send] of Object.entries(bodies)) {
      test(`as ${name} to POST ${path}`, async () => {
        const { status, body } = await send(path);
        assert.deepEqual([status, body.code], [422, 'UNREADABLE_IMAGE'], body.detail);
      });
    }
  }

  test('in a tensor of the Open Inference Protocol', async () => {
    const inputs = [{ name: 'image', datatype: 'BYTES', shape: [1], data: [''] }];
    const { status, body } = await post('/v2/models/resnet50/infer').send({ inputs });
    assert.deepEqual([status, body.code], [422, 'UNREADABLE_IMAGE']);
  });

  test('in a line of JSON Lines, whose line gets the code', async () => {
    const { status, text } = await post('/invocations')
      .set('content-type', 'application/jsonlines')
      .buffer(true)
      .send('{"image": ""}\n');
    assert.equal(status, 200);
    assert.equal(JSON.parse(text).error.code, 'UNREADABLE_IMAGE');
  });
});
