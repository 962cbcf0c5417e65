import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { contentOf, idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { noise, picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';

const MIB = 2 ** 20;
const TYPES = {
  'image/jpeg': '',
  'application/json': '{"image": "',
  'multipart/form-data; boundary=b':
    '--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n',
} as const;

describe('the memory of request bodies is bounded over all connections', () => {
  const models = createGatedModels();
  let server: TestApp;
  let image: Buffer;
  let large: Buffer;

  before(async () => {
    server = await startApp({ models, env: { BODY_MEMORY_MB: '1' } });
    image = await picture();
    large = await noise(600, 500);
    assert.ok(large.length > MIB / 2 && large.length < MIB);
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  const predict = (body: Buffer) => server.http.post('/predict').set('content-type', 'image/jpeg').send(body);

  const untilStatus = (status: number, body = large) =>
    until(`an answer with status ${status}`, async () => (await predict(body)).status === status);

  /** A request that has sent `bytes` of a body that goes on. */
  function begin(type: keyof typeof TYPES, bytes: number, framing: 'chunked' | 'length'): Socket {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    const start = Buffer.concat([Buffer.from(TYPES[type]), Buffer.alloc(bytes, 'A')]);
    const length =
      framing === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${start.length + 1000}`;
    socket.write(`POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`);
    if (framing === 'chunked') socket.write(`${start.length.toString(16)}\r\n`);
    socket.write(start);
    if (framing === 'chunked') socket.write('\r\n--b\r\n');
    return socket;
  }

  for (const framing of ['chunked', 'length'] as const) {
    for (const type of Object.keys(TYPES) as (keyof typeof TYPES)[]) {
      test(`${framing} bodies of ${type.split(';')[0]} count while they arrive, until they go`, async () => {
        const socket = begin(type, 0.75 * MIB, framing);
        await untilStatus(503);
        const { status, body, headers } = await predict(large);
        assert.deepEqual([status, body.code, headers['retry-after']], [503, 'OVERLOADED', '1']);
        assert.equal((await predict(image)).status, 200, 'a small body still fits');
        socket.destroy();
        await untilStatus(200);
      });
    }
  }

  test('a chunked body is refused at the byte for which there is no more room', async () => {
    const first = begin('image/jpeg', 0.75 * MIB, 'chunked');
    await untilStatus(503);
    for (const type of Object.keys(TYPES) as (keyof typeof TYPES)[]) {
      const second = begin(type, 0.5 * MIB, 'chunked');
      const [answer] = await new Promise<[string]>((resolve) => {
        second.once('data', (data) => resolve([data.toString('latin1')]));
      });
      assert.match(answer, /^HTTP\/1\.1 503 /, type);
      assert.match(answer, /"code":"OVERLOADED"/, type);
      second.destroy();
    }
    first.destroy();
    await untilStatus(200);
  });

  test('a body larger than the whole budget is taken while no other is there', async () => {
    const huge = Buffer.concat([image, Buffer.alloc(2 * MIB)]);
    assert.equal((await predict(huge)).status, 200);
    const socket = begin('image/jpeg', 1000, 'length');
    await untilStatus(503, huge);
    socket.destroy();
    await untilStatus(200, huge);
  });

  test('a body of a type that no parser takes never ends the process, however full it is', async () => {
    const first = begin('image/jpeg', MIB - 10_000, 'chunked');
    await untilStatus(503);
    const piece = Buffer.alloc(50_000, 'A');
    const chunk = Buffer.concat([
      Buffer.from(`${piece.length.toString(16)}\r\n`),
      piece,
      Buffer.from('\r\n'),
    ]);
    const head =
      'POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/odd\r\nTransfer-Encoding: chunked\r\n\r\n';
    const second = connect(server.port, '127.0.0.1');
    // Its first bytes come with the headers, before the response is done; the others after it.
    second.write(Buffer.concat([Buffer.from(head), chunk]));
    const refused = new Promise<string>((resolve) => {
      second.once('data', (data) => resolve(data.toString('latin1')));
    });
    assert.match(await refused, /^HTTP\/1\.1 415 /);
    for (let sent = 0; sent < 2 * MIB; sent += piece.length) second.write(chunk);
    await new Promise<void>((resolve) => second.end('0\r\n\r\n', resolve));
    assert.equal((await predict(image)).status, 200);
    second.destroy();
    first.destroy();
    await untilStatus(200);
  });

  test('a form to POST /batch counts the file that arrives, not those that are stored', async (t) => {
    const store = await tempStore();
    const batch = tempBatch(store, idleQueue());
    const forms = await startApp({ models, objects: store, batch, env: { BODY_MEMORY_MB: '1' } });
    t.after(async () => {
      socket.destroy();
      await forms.close();
      await batch.close();
      await store.close();
    });
    let received = () => 0;
    forms.app.server.once('connection', (connection) => (received = () => connection.bytesRead));
    const head = (name: string) => `Content-Disposition: form-data; name="f"; filename="${name}"\r\n\r\n`;
    const socket = connect(forms.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data.toString('latin1'))).on('error', () => undefined);
    socket.write(
      `POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${60 * MIB}\r\n\r\n--b\r\n`,
    );
    const stored = async () => (await contentOf(store, 'jobs/')).size;
    const refuses = async () => {
      const form = new FormData();
      form.set('f', new Blob([large]), 'large.jpg');
      return (await fetch(`${forms.url}/predict`, { method: 'POST', body: form })).status === 503;
    };
    for (let n = 0; n < 4; n++) {
      socket.write(Buffer.concat([Buffer.from(head(`${n}`)), Buffer.alloc(0.6 * MIB)]));
      // A request that arrived before the file would take its place in memory.
      await until('the file arrived', () => received() === socket.bytesWritten);
      await until('the file counts', async () => answer !== '' || (await refuses()));
      socket.write('\r\n--b\r\n');
      await until('the file is stored', async () => answer !== '' || (await stored()) > n);
      await until('the stored file counts no more', async () => answer !== '' || !(await refuses()));
    }
    assert.equal(answer, '');
    socket.destroy();
    await until('nothing is stored', async () => (await stored()) === 0);
  });

  test('injected requests give back what they held', async () => {
    for (let round = 0; round < 3; round++) {
      const { statusCode } = await server.app.inject({
        method: 'POST',
        url: '/predict',
        headers: { 'content-type': 'image/jpeg' },
        payload: large,
      });
      assert.equal(statusCode, 200);
    }
  });
});
