import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { noise, picture } from '../helpers/pictures.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

const MAX_BYTES = 200_000;

describe('what is too large is refused while it arrives', () => {
  const models = createGatedModels();
  let server: TestApp;
  let small: Buffer;
  let large: Buffer;

  before(async () => {
    server = await startApp({ models, env: { MAX_IMAGE_BYTES: String(MAX_BYTES) } });
    small = await picture();
    large = await noise(600, 400);
    assert.ok(large.length > 2 * MAX_BYTES);
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  /** Sends chunks without a Content-Length and reads the answer's code; `rounds` times `piece`. */
  function chunked(
    type: string,
    head: string,
    piece: Buffer,
    rounds: number,
  ): Promise<{ status: number; code: string }> {
    return new Promise((resolve, reject) => {
      const options = {
        port: server.port,
        host: '127.0.0.1',
        path: '/predict',
        method: 'POST',
        headers: { 'content-type': type },
      };
      const outgoing = httpRequest(options, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => {
          outgoing.destroy();
          resolve({ status: response.statusCode ?? 0, code: JSON.parse(text).code });
        });
      });
      outgoing.on('error', reject);
      outgoing.write(head);
      let left = rounds;
      const next = () => {
        if (outgoing.destroyed) return;
        if (left-- > 0) outgoing.write(piece, next);
        else outgoing.end();
      };
      next();
    });
  }

  test('a raw body over the limit, by its Content-Length', async () => {
    const response = await server.http.post('/predict').set('content-type', 'image/png').send(large);
    assert.deepEqual([response.status, response.body.code], [413, 'IMAGE_TOO_LARGE']);
  });

  test('a Content-Length over the limit is refused before a byte of the body is there', async () => {
    const head = `POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: image/png\r\nContent-Length: 99999999999\r\n\r\n`;
    const answer = await rawRequest(server.port, head);
    assert.equal(answer.status, 413);
    assert.equal(JSON.parse(answer.body).code, 'IMAGE_TOO_LARGE');
  });

  test('a form with a Content-Length over the limit is refused before a byte of the body is there', async () => {
    const head = `POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999999999\r\n\r\n`;
    const answer = await rawRequest(server.port, head);
    assert.equal(answer.status, 413);
    assert.equal(JSON.parse(answer.body).code, 'IMAGE_TOO_LARGE');
  });

  test('a raw body over the limit, in chunks that do not end', async () => {
    const answer = await chunked('image/png', '', Buffer.alloc(50_000), 1_000);
    assert.deepEqual(answer, { status: 413, code: 'IMAGE_TOO_LARGE' });
  });

  test('a file in a form over the limit', async () => {
    const response = await server.http.post('/predict').attach('image', large, 'a.png');
    assert.deepEqual([response.status, response.body.code], [413, 'IMAGE_TOO_LARGE']);
  });

  test('a file in a form over the limit, in chunks that do not end', async () => {
    const head = '--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n';
    const answer = await chunked('multipart/form-data; boundary=b', head, Buffer.alloc(50_000), 1_000);
    assert.deepEqual(answer, { status: 413, code: 'IMAGE_TOO_LARGE' });
  });

  test('a form that goes on and on without any part', async () => {
    const answer = await chunked('multipart/form-data; boundary=b', '', Buffer.alloc(50_000, 'x'), 1_000);
    assert.deepEqual(answer, { status: 413, code: 'IMAGE_TOO_LARGE' });
  });

  test('base64 over the limit, and base64 that is just over it once decoded', async () => {
    for (const bytes of [large, Buffer.alloc(MAX_BYTES + 1)]) {
      const response = await server.http.post('/predict').send({ image: bytes.toString('base64') });
      assert.deepEqual([response.status, response.body.code], [413, 'IMAGE_TOO_LARGE']);
    }
  });

  test('exactly the limit is not too large, in any form', async () => {
    const exact = Buffer.concat([small, Buffer.alloc(MAX_BYTES - small.length)]);
    const raw = await server.http.post('/predict').set('content-type', 'image/jpeg').send(exact);
    const form = await server.http.post('/predict').attach('image', exact, 'a.jpg');
    const json = await server.http.post('/predict').send({ image: exact.toString('base64') });
    assert.deepEqual([raw.status, form.status, json.status], [200, 200, 200]);
    assert.deepEqual(form.body.predictions, raw.body.predictions);
    assert.deepEqual(json.body.predictions, raw.body.predictions);
  });

  test('headers that are too long are 431, as a problem', async () => {
    const answer = await rawRequest(
      server.port,
      `GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`,
    );
    assert.equal(answer.status, 431);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.equal(JSON.parse(answer.body).code, 'HEADERS_TOO_LARGE');
  });

  test('a URL that is too long is 431, one that is just long is 404', async () => {
    const tooLong = await rawRequest(
      server.port,
      `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    assert.equal(JSON.parse(tooLong.body).code, 'HEADERS_TOO_LARGE');
    const long = await server.http.get(`/${'a'.repeat(8_000)}`);
    assert.deepEqual([long.status, long.body.code], [404, 'NOT_FOUND']);
  });

  test('bytes that are no HTTP are 400, as a problem', async () => {
    const answer = await rawRequest(server.port, 'hello\r\n\r\n');
    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.body).code, 'INVALID_REQUEST');
  });

  test('a URL with broken percent-encoding is 400, as a problem with its request id', async () => {
    const response = await server.http.get('/%zz');
    assert.deepEqual([response.status, response.body.code], [400, 'INVALID_REQUEST']);
    assert.equal(response.headers['x-request-id'], response.body.requestId);
  });
});
