import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture, truncatedPicture } from '../helpers/pictures.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('POST /predict refuses what is not one readable image, with a 4xx problem and its code', () => {
  const models = createGatedModels({ maxPixels: 1_000_000 });
  let server: TestApp;
  let image: Buffer;

  before(async () => {
    server = await startApp({ models });
    image = await picture();
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  const raw = (type: string, body: Buffer | string) =>
    server.http
      .post('/predict')
      .set('content-type', type)
      .send(body as string);
  const json = (body: object) => server.http.post('/predict').send(body);
  const form = () => server.http.post('/predict');
  const boundaryForm = (...lines: string[]) => raw('multipart/form-data; boundary=b', lines.join('\r\n'));

  const cases: Record<string, readonly [() => ReturnType<typeof json>, number, string]> = {
    'an image cut off in the middle': [() => truncated(), 422, 'UNREADABLE_IMAGE'],
    'a text named .jpg': [
      () => form().attach('image', Buffer.from('this is no picture'), 'picture.jpg'),
      422,
      'UNREADABLE_IMAGE',
    ],
    'a text sent as image/jpeg': [() => raw('image/jpeg', 'no picture'), 422, 'UNREADABLE_IMAGE'],
    'an SVG': [
      () => raw('image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>'),
      422,
      'UNREADABLE_IMAGE',
    ],
    'an empty raw body': [() => raw('image/jpeg', ''), 422, 'UNREADABLE_IMAGE'],
    'an empty octet-stream': [() => raw('application/octet-stream', ''), 422, 'UNREADABLE_IMAGE'],
    'no body and no type': [() => form(), 400, 'INVALID_REQUEST'],
    'an empty file in a form': [
      () => form().attach('image', Buffer.alloc(0), 'a.jpg'),
      422,
      'UNREADABLE_IMAGE',
    ],
    'a text/plain body': [() => raw('text/plain', 'hello'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    'what curl -d sends': [
      () => raw('application/x-www-form-urlencoded', 'a=b'),
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    'a type that is no type': [() => raw('nonsense', 'x'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    'a form without a file': [() => form().field('topK', '3'), 400, 'INVALID_REQUEST'],
    'an unknown form field': [
      () => form().field('colour', 'red').attach('image', image, 'a.jpg'),
      400,
      'INVALID_REQUEST',
    ],
    'a form field given twice': [
      () => form().field('topK', '3').field('topK', '4').attach('image', image, 'a.jpg'),
      400,
      'INVALID_REQUEST',
    ],
    'a topK field of 0': [
      () => form().field('topK', '0').attach('image', image, 'a.jpg'),
      400,
      'INVALID_REQUEST',
    ],
    'a form part called __proto__': [
      () => form().attach('__proto__', image, 'a.jpg'),
      400,
      'INVALID_REQUEST',
    ],
    'a form without a boundary': [() => raw('multipart/form-data', 'x'), 400, 'INVALID_REQUEST'],
    'a form cut off inside its file': [
      () => boundaryForm('--b', 'Content-Disposition: form-data; name="image"; filename="a.jpg"', '', 'abc'),
      400,
      'INVALID_REQUEST',
    ],
    'a form cut off inside a header': [() => boundaryForm('--b', 'Content-Dispo'), 400, 'INVALID_REQUEST'],
    'a form that is only its end': [() => boundaryForm('--b--', ''), 400, 'INVALID_REQUEST'],
    'an empty form': [() => raw('multipart/form-data; boundary=b', ''), 400, 'INVALID_REQUEST'],
    'malformed JSON': [() => raw('application/json', '{"image":'), 400, 'INVALID_REQUEST'],
    'an empty JSON body': [() => raw('application/json', ''), 400, 'INVALID_REQUEST'],
    'JSON null': [() => raw('application/json', 'null'), 400, 'INVALID_REQUEST'],
    'a JSON array': [() => raw('application/json', '[]'), 400, 'INVALID_REQUEST'],
    'an empty JSON object': [() => json({}), 400, 'INVALID_REQUEST'],
    'a number for an image': [() => json({ image: 5 }), 400, 'INVALID_REQUEST'],
    'an empty base64': [() => json({ image: '' }), 422, 'UNREADABLE_IMAGE'],
    'an empty base64 in a data URL': [
      () => json({ image: 'data:image/png;base64,' }),
      422,
      'UNREADABLE_IMAGE',
    ],
    'base64 garbage': [() => json({ image: '!!!not base64!!!' }), 400, 'INVALID_REQUEST'],
    'base64 with a line break': [() => json({ image: 'aGVs\nbG8=' }), 400, 'INVALID_REQUEST'],
    'base64 without its padding': [() => json({ image: 'aGVsbG8' }), 400, 'INVALID_REQUEST'],
    'base64 in the URL alphabet': [() => json({ image: '_-8=' }), 400, 'INVALID_REQUEST'],
    'base64 padded in the middle': [() => json({ image: 'aA==aA==' }), 400, 'INVALID_REQUEST'],
    'base64 of a text': [() => json({ image: 'aGVsbG8=' }), 422, 'UNREADABLE_IMAGE'],
    'a data URL without base64': [() => json({ image: 'data:image/jpeg,abc' }), 400, 'INVALID_REQUEST'],
    'an image and an object': [() => json({ image: 'aGVsbG8=', object: 'a' }), 400, 'INVALID_REQUEST'],
    'an unknown member': [() => json({ picture: 'aGVsbG8=' }), 400, 'INVALID_REQUEST'],
    'an object where there is no store': [() => json({ object: 'input/a.jpg' }), 400, 'INVALID_REQUEST'],
    'a __proto__ key': [
      () => raw('application/json', '{"__proto__":{"image":"aGVsbG8="}}'),
      400,
      'INVALID_REQUEST',
    ],
    'a constructor key': [
      () => raw('application/json', '{"constructor":{"prototype":{"image":"aGVsbG8="}}}'),
      400,
      'INVALID_REQUEST',
    ],
  };
  // A body that needs to be made first cannot be written into the table itself.
  let cut: Buffer;
  before(async () => {
    cut = await truncatedPicture();
  });
  const truncated = () => raw('image/png', cut);

  for (const [name, [send, status, code]] of Object.entries(cases)) {
    test(`${name} is ${status} ${code}`, async () => {
      const response = await send();
      assert.deepEqual([response.status, response.body.code], [status, code], response.text);
      assert.equal(response.headers['content-type'], 'application/problem+json');
      assert.equal(response.body.status, status);
      assert.equal(response.body.requestId, response.headers['x-request-id']);
      assert.ok(!response.body.detail.includes('\n'), 'the detail is one line');
    });
  }

  for (const query of [
    'topK=0',
    'topK=101',
    'topK=-1',
    'topK=abc',
    'topK=5.5',
    'topK=',
    'topK=1e1',
    'topK=0x10',
    'topK=1&topK=2',
    'topk=5',
    '__proto__=1',
    'model=',
  ]) {
    test(`the query ${query} is 400 INVALID_REQUEST`, async () => {
      const response = await server.http
        .post(`/predict?${query}`)
        .set('content-type', 'image/jpeg')
        .send(image);
      assert.deepEqual([response.status, response.body.code], [400, 'INVALID_REQUEST'], response.text);
      assert.match(response.body.detail, /^query /);
    });
  }

  test('a model that is not there is 404 MODEL_NOT_FOUND, in the query and in a form', async () => {
    const inQuery = await server.http
      .post('/predict?model=vgg')
      .set('content-type', 'image/jpeg')
      .send(image);
    assert.deepEqual([inQuery.status, inQuery.body.code], [404, 'MODEL_NOT_FOUND']);
    const inForm = await form().field('model', 'vgg').attach('image', image, 'a.jpg');
    assert.deepEqual([inForm.status, inForm.body.code], [404, 'MODEL_NOT_FOUND']);
  });

  test('an image of too many pixels is 413 IMAGE_TOO_LARGE, however few its bytes', async () => {
    const wide = await picture(20_000, 100, 'png');
    const response = await raw('image/png', wide);
    assert.deepEqual([response.status, response.body.code], [413, 'IMAGE_TOO_LARGE'], response.text);
  });

  test('a form that breaks off with its connection does no harm', async () => {
    await assert.rejects(
      new Promise((_resolve, reject) => {
        const head =
          'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n';
        const socket = connect(server.port, '127.0.0.1', () => {
          socket.write(
            `${head}--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nabc`,
            () => {
              socket.destroy();
              reject(new Error('gone'));
            },
          );
        });
      }),
      /gone/,
    );
    const next = await raw('image/jpeg', image);
    assert.equal(next.status, 200);
  });

  test('a Content-Length that is not true is answered, and the connection ends', async () => {
    const answer = await rawRequest(
      server.port,
      'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: x\r\n\r\n',
    );
    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.body).code, 'INVALID_REQUEST');
  });

  test('nothing of all that reached the engine, and a good image still does', async () => {
    const before = models.inferred;
    const response = await raw('image/jpeg', image);
    assert.equal(response.status, 200);
    assert.equal(models.inferred, before + 1);
    assert.ok(before <= 2, `${before} bad images were inferred`);
    assert.doesNotMatch(server.log(), /"level":50/, 'an error was logged');
  });
});
