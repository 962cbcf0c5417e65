import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Batch } from '../../src/batch/batch.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';

const env = { REQUEST_TIMEOUT_MS: '1500' };
const PAUSE = 100;
/** Bytes per PAUSE of a client on a slow but steady line. */
const STEADY = 1024;

describe('bodies that arrive slowly', () => {
  const models = createGatedModels();
  const queue = idleQueue();
  let store: Awaited<ReturnType<typeof tempStore>>;
  let batch: Batch;
  let server: TestApp;

  before(async () => {
    store = await tempStore();
    batch = tempBatch(store, queue);
    server = await startApp({ models, objects: store, batch, env });
  });
  after(async () => {
    await server.close();
    await batch.close();
    await store.close();
    await models.close();
  });
  afterEach(async () => {
    queue.submissions.length = 0;
    for (const key of await keysOfJobs()) await store.delete(key);
  });

  async function keysOfJobs(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of store.list('jobs/')) keys.push(key);
    return keys;
  }

  interface SlowClient {
    readonly path: string;
    readonly type: string;
    readonly body: Buffer;
    /** Bytes sent every PAUSE milliseconds. */
    readonly pace: number;
    /** Sends no more than that and waits. */
    readonly end?: number;
    /** Goes on sending after it was answered. */
    readonly deaf?: boolean;
  }

  /** Sends a body in small pieces over a socket of its own. @returns what came back, once the server closed */
  async function send({ path, type, body, pace, end = body.length, deaf = false }: SlowClient) {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    let isClosed = false;
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    socket.on('end', () => {
      if (!deaf) socket.end();
    });
    // Sending to a connection that the server has cut.
    socket.on('error', () => {});
    const closed = new Promise<void>((resolve) =>
      socket.on('close', () => {
        isClosed = true;
        resolve();
      }),
    );
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    for (let at = 0; at < end && !isClosed && (deaf || text === ''); at += pace) {
      socket.write(body.subarray(at, Math.min(at + pace, end)));
      await delay(PAUSE);
    }
    if (text !== '') socket.end();
    await closed;
    const [, status = '', content = ''] = /^HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n([\s\S]*)$/.exec(text) ?? [];
    return { status: Number(status), code: (JSON.parse(content || '{}') as { code?: string }).code };
  }

  /** A form of files of 2 KiB each. */
  function form(kib: number) {
    const parts = Array.from({ length: kib / 2 }, (_, n) => [
      `--b\r\nContent-Disposition: form-data; name="f"; filename="${n}.png"\r\n\r\n`,
      'x'.repeat(2048),
      '\r\n',
    ]);
    return {
      path: '/batch',
      type: 'multipart/form-data; boundary=b',
      body: Buffer.from(`${parts.flat().join('')}--b--\r\n`),
    };
  }

  const nothingIsLeft = async () => {
    // The server deletes what it stored when it answers, so the client may be faster.
    await until('the removal of the uploads', async () => (await keysOfJobs()).length === 0);
    assert.equal(queue.submissions.length, 0);
  };
  const TIMED_OUT = { status: 408, code: 'REQUEST_TIMEOUT' };

  test('a form that arrives slowly but in time becomes a job with all its files', async () => {
    const { status } = await send({ ...form(8), pace: STEADY });
    assert.equal(status, 202);
    assert.equal((await keysOfJobs()).filter((key) => key.includes('uploads')).length, 4);
  });

  test('a form that stops in the middle gets 408, and leaves nothing behind', async () => {
    assert.deepEqual(await send({ ...form(36), pace: STEADY, end: 10 * 1024 }), TIMED_OUT);
    await nothingIsLeft();
  });

  test('a form that arrives steadily but takes too long gets 408, and leaves nothing behind', async () => {
    assert.deepEqual(await send({ ...form(200), pace: STEADY }), TIMED_OUT);
    await nothingIsLeft();
  });

  test('a client that keeps sending after its 408 is disconnected', async () => {
    assert.deepEqual(await send({ ...form(36), pace: 20, deaf: true }), TIMED_OUT);
    await nothingIsLeft();
  });

  test('an image, and the keys of a batch, have the same time', async () => {
    const image = { path: '/predict', type: 'image/jpeg', body: Buffer.alloc(60 * 1024) };
    const keys = { prefix: 'input/', padding: 'x'.repeat(60 * 1024) };
    const json = { path: '/batch', type: 'application/json', body: Buffer.from(JSON.stringify(keys)) };
    const answers = await Promise.all([send({ ...image, pace: STEADY }), send({ ...json, pace: STEADY })]);
    assert.deepEqual(answers, [TIMED_OUT, TIMED_OUT]);
    await nothingIsLeft();
  });

  test('a request whose last bytes come after its 408 is not executed', async () => {
    await store.put('input/a.png', 'x');
    const body = Buffer.from(JSON.stringify({ prefix: 'input/' }).padEnd(2900));
    // All of it is there within the seconds that a refused connection stays half open.
    assert.deepEqual(
      await send({ path: '/batch', type: 'application/json', body, pace: 60, deaf: true }),
      TIMED_OUT,
    );
    await nothingIsLeft();
  });

  test('a form whose last bytes come after its 408 leaves nothing of its first file either', async () => {
    const part = (name: string, content: string) =>
      `--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\n${content}\r\n`;
    const body = Buffer.from(`${part('first.png', 'x')}${part('second.png', 'x'.repeat(2500))}--b--\r\n`);
    const seen: string[] = [];
    const watching = setInterval(() => void keysOfJobs().then((keys) => seen.push(...keys)), 20);
    const answer = await send({ ...form(2), body, pace: 60, deaf: true });
    clearInterval(watching);
    assert.deepEqual(answer, TIMED_OUT);
    assert.ok(
      seen.some((key) => key.endsWith('first.png')),
      'the first file was stored for a while',
    );
    await nothingIsLeft();
  });
});
