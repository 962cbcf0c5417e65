import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import { contentOf, idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';

/** A request that must never be read out of the body of another one. */
const SMUGGLED = 'DELETE /batch/r-smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';
const LENGTH = SMUGGLED.length;

/** Headers whose body two HTTP parsers could end at different places, and the body. */
const AMBIGUOUS: Readonly<Record<string, readonly [headers: string, body: string]>> = {
  'length and chunks': ['Content-Length: 4\r\nTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`],
  'chunks and length': ['Transfer-Encoding: chunked\r\nContent-Length: 4', `0\r\n\r\n${SMUGGLED}`],
  'two lengths': [`Content-Length: 0\r\nContent-Length: ${LENGTH}`, SMUGGLED],
  'a list of lengths': ['Content-Length: 0, 0', SMUGGLED],
  'a signed length': ['Content-Length: +0', SMUGGLED],
  'a hexadecimal length': ['Content-Length: 0x0', SMUGGLED],
  'a negative length': ['Content-Length: -1', SMUGGLED],
  'a length beyond 64 bits': ['Content-Length: 18446744073709551616', SMUGGLED],
  'an unknown coding': ['Transfer-Encoding: xchunked', `0\r\n\r\n${SMUGGLED}`],
  'chunks that are not the last coding': ['Transfer-Encoding: chunked, identity', `0\r\n\r\n${SMUGGLED}`],
  'two codings': ['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', `0\r\n\r\n${SMUGGLED}`],
  'a space before the colon': [`Transfer-Encoding : chunked\r\nContent-Length: ${LENGTH}`, SMUGGLED],
  'a vertical tab': [`Transfer-Encoding: \x0bchunked\r\nContent-Length: ${LENGTH}`, SMUGGLED],
  'a folded header': ['X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0', SMUGGLED],
  'a bare carriage return': [`X: a\rContent-Length: ${LENGTH}`, SMUGGLED],
  'a null byte': ['X: a\0b\r\nContent-Length: 0', SMUGGLED],
  'a chunk size with a prefix': ['Transfer-Encoding: chunked', `0x2\r\n{}\r\n0\r\n\r\n${SMUGGLED}`],
  'a chunk size beyond 64 bits': [
    'Transfer-Encoding: chunked',
    `10000000000000002\r\n{}\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  'a chunk longer than its size': ['Transfer-Encoding: chunked', `1\r\n{}\r\n0\r\n\r\n${SMUGGLED}`],
  'chunks without carriage returns': ['Transfer-Encoding: chunked', `2\n{}\n0\n\n${SMUGGLED}`],
  'a chunk extension that ends early': ['Transfer-Encoding: chunked', `2;\n{}\r\n4c\r\n0\r\n\r\n${SMUGGLED}`],
};

describe('attacks over bare sockets', () => {
  const models = createGatedModels();
  const sockets: Socket[] = [];
  let store: Awaited<ReturnType<typeof tempStore>>;
  let batch: Batch;
  let server: TestApp;

  before(async () => {
    store = await tempStore();
    batch = tempBatch(store, idleQueue());
    server = await startApp({ models, objects: store, batch });
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await server.close();
    await batch.close();
    await store.close();
    await models.close();
  });

  const answers = (text: string) =>
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

  /** Sends bytes and then an ordinary request. @returns the statuses of all answers on the connection */
  async function withNext(bytes: string): Promise<number[]> {
    const { status, body } = await rawRequest(
      server.port,
      bytes,
      'GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    );
    return [status, ...answers(body)];
  }

  for (const [name, [headers, body]] of Object.entries(AMBIGUOUS)) {
    test(`a request with ${name} is refused, and nothing behind it is read`, async () => {
      const head = `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`;
      assert.deepEqual(await withNext(head + body), [400]);
    });
  }

  test('the body of a refused request is not read as the next request', async () => {
    const form = `--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nx\r\n--b--\r\n${SMUGGLED}`;
    const cases: readonly [status: number, path: string, headers: string, body: string][] = [
      [415, '/predict', 'Host: localhost\r\nContent-Type: text/plain', SMUGGLED],
      [404, '/unknown', 'Host: localhost', SMUGGLED],
      [403, '/batch', 'Host: evil.example\r\nContent-Type: application/json', SMUGGLED],
      [403, '/batch', 'Host: localhost\r\nOrigin: https://evil.example', SMUGGLED],
      // Behind the last boundary, the form's parser does not look any more.
      [422, '/predict', 'Host: localhost\r\nContent-Type: multipart/form-data; boundary=b', form],
    ];
    for (const [status, path, headers, body] of cases) {
      const request = `POST ${path} HTTP/1.1\r\n${headers}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      assert.deepEqual(await withNext(request), [status, 404], `${path} ${headers}`);
    }
    assert.doesNotMatch(server.log(), /r-smuggled/);
  });

  test('a Content-Length that is too short makes the rest an invalid request', async () => {
    const head =
      'POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n';
    const { status, body } = await rawRequest(server.port, `${head}{}{"prefix":"input/"}\r\n\r\n`);
    assert.deepEqual([status, ...answers(body)], [400]);
  });

  test('a Content-Length that is too long gets 408 in time', async () => {
    const hasty = await startApp({ models, env: { REQUEST_TIMEOUT_MS: '1000' } });
    const head =
      'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 500\r\n\r\n';
    assert.equal((await rawRequest(hasty.port, `${head}x`)).status, 408);
    await hasty.close();
  });

  test('floods of headers, trailers, chunk extensions and fields are refused', async () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => `X-${n}: ${'a'.repeat(20)}\r\n`).join('');
    const chunked =
      'POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    const fields = '--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n'.repeat(20_000);
    const form = `Host: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${fields.length}`;
    const cases: readonly [status: number, bytes: string][] = [
      [431, `GET /models HTTP/1.1\r\nHost: localhost\r\n${many(1_000)}\r\n`],
      [431, `${chunked}2\r\n{}\r\n0\r\n${many(1_000)}\r\n`],
      [413, `${chunked}2;${'a'.repeat(100_000)}\r\n{}\r\n0\r\n\r\n`],
      [400, `POST /predict HTTP/1.1\r\n${form}\r\n\r\n${fields}`],
      [400, `POST /batch HTTP/1.1\r\n${form}\r\n\r\n${fields}`],
    ];
    for (const [status, bytes] of cases) {
      assert.equal((await rawRequest(server.port, bytes)).status, status, bytes.slice(0, 120));
    }
    assert.equal((await contentOf(store, 'jobs/')).size, 0);
  });

  test('stalled bodies beyond 1,024 make room, the oldest first, long before their time is up', async () => {
    const refused: number[] = [];
    for (let n = 0; n < 1_100; n++) {
      const socket = connect(server.port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('data', () => refused.push(n));
      await once(socket, 'connect');
      socket.write(
        'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 500\r\n\r\nx',
      );
    }
    await until('the refusal of the oldest', () => refused.length >= 1_100 - 1_024);
    assert.ok(Math.max(...refused) < 100, `the oldest ones: ${refused}`);
    assert.equal((await fetch(`${server.url}/models`)).status, 200);
  });
});
