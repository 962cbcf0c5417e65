import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { parseShard } from '../../src/domain/job/shards.ts';
import { contentOf, idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';

type Files = Readonly<Record<string, string>>;

const FILES: Files = { 'a.png': 'first', 'b/b.png': 'second', 'c.png': 'third' };

describe('forms with an idempotencyKey', () => {
  const models = createGatedModels();
  let store: Awaited<ReturnType<typeof tempStore>>;
  let batch: Batch;
  let server: TestApp;

  before(async () => {
    store = await tempStore();
    batch = tempBatch(store, idleQueue());
    server = await startApp({ models, objects: store, batch, env: { REQUEST_TIMEOUT_MS: '1500' } });
  });
  after(async () => {
    await server.close();
    await batch.close();
    await store.close();
    await models.close();
  });

  async function send(idempotencyKey: string, files: Files) {
    const form = new FormData();
    form.set('idempotencyKey', idempotencyKey);
    for (const [name, content] of Object.entries(files)) form.append('files', new Blob([content]), name);
    const response = await fetch(`${server.url}/batch`, { method: 'POST', body: form });
    const { jobId = '', code } = (await response.json()) as { jobId?: string; code?: string };
    return { status: response.status, jobId, code };
  }

  /** The same form, cut off behind its second file. @returns what comes back, once the server has closed the connection */
  async function stall(idempotencyKey: string): Promise<{ readonly answer: Promise<string> }> {
    const part = (disposition: string, content: string) =>
      `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
    const body = [
      part('name="idempotencyKey"', idempotencyKey),
      ...Object.entries(FILES).map(([name, content]) => part(`name="f"; filename="${name}"`, content)),
    ];
    const socket = connect(server.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    const answer = new Promise<string>((resolve, reject) => {
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    socket.write(
      `POST /batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n${body.slice(0, 3).join('')}--b\r\n`,
    );
    await until('two stored files', async () => (await contentOf(store, 'jobs/')).size === 2);
    return { answer };
  }

  /** What a worker would read. @throws when a file is not there */
  async function inputsOf(jobId: string): Promise<string[]> {
    const inputs = parseShard((await store.get(jobLayout(jobId).shard(0))).toString());
    return Promise.all(
      inputs.map(async ({ key, etag }) => (await store.get(key, etag ? { etag } : {})).toString()),
    );
  }

  const uploads = async (jobId: string) =>
    [...(await contentOf(store, `jobs/${jobId}/uploads/`)).values()].sort();

  test('an upload that stalls takes no file from the job that its retry made', async () => {
    const stalled = await stall('stalled');
    const { status, jobId } = await send('stalled', FILES);
    assert.equal(status, 202);
    assert.match(await stalled.answer, /^HTTP\/1.1 408 /);
    const expected = Object.values(FILES).sort();
    await until('the removal', async () => (await uploads(jobId)).length <= expected.length);
    assert.deepEqual((await inputsOf(jobId)).sort(), expected);
    assert.deepEqual(await uploads(jobId), expected);
  });

  test('the same files under the same key are the same job, and are stored once', async () => {
    const first = await send('again', FILES);
    const second = await send('again', Object.fromEntries(Object.entries(FILES).reverse()));
    assert.deepEqual([first.status, second.status], [202, 202]);
    assert.equal(second.jobId, first.jobId);
    assert.deepEqual(await uploads(first.jobId), Object.values(FILES).sort());
    assert.equal((await inputsOf(first.jobId)).length, 3);
  });

  test('other files under the same key are 409, and the job keeps its own', async () => {
    const { jobId } = await send('other', FILES);
    const others: Files[] = [
      { ...FILES, 'a.png': 'FIRST' },
      { ...FILES, 'd.png': 'fourth' },
      { 'a.png': 'first', 'b/b.png': 'second' },
      { 'z.png': 'first', 'b/b.png': 'second', 'c.png': 'third' },
      { 'a.png': 'second', 'b/b.png': 'first', 'c.png': 'third' },
    ];
    for (const files of others) {
      const { status, code } = await send('other', files);
      assert.deepEqual([status, code], [409, 'CONFLICT'], JSON.stringify(files));
    }
    assert.deepEqual(await uploads(jobId), Object.values(FILES).sort());
    assert.equal((await inputsOf(jobId)).length, 3);
  });

  test('forms sent at once under one key make one job that has all of its files', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => send('at once', FILES)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
    const [jobId = '', ...rest] = new Set(answers.map((answer) => answer.jobId));
    assert.deepEqual(rest, []);
    assert.deepEqual((await inputsOf(jobId)).sort(), Object.values(FILES).sort());
    assert.deepEqual(await uploads(jobId), Object.values(FILES).sort());
  });
});
