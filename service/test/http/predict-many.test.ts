import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture, truncatedPicture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';

type Entry = { name?: string; predictions?: { index: number }[]; error?: { code: string } };

describe('POST /predict with several images', () => {
  const models = createGatedModels();
  let server: TestApp;
  let pictures: Buffer[];
  let broken: Buffer;

  before(async () => {
    server = await startApp({ models, env: { MAX_IMAGE_BYTES: '65536' } });
    pictures = await Promise.all([1, 2, 3].map((seed) => picture(seed)));
    broken = await truncatedPicture();
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  const [a, b] = ['a.png', 'b.png'];
  const outline = (entries: Entry[]) => entries.map(({ name, error }) => [name, error?.code]);

  test('a form answers one entry per file, in order, errors in place', async () => {
    const { status, body } = await server.http
      .post('/predict?topK=2')
      .attach('x', pictures[0] as Buffer, a)
      .attach('x', broken, 'broken.png')
      .attach('y', pictures[1] as Buffer, b);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(outline(body.results), [
      [a, undefined],
      ['broken.png', 'UNREADABLE_IMAGE'],
      [b, undefined],
    ]);
    assert.equal(body.results[0].predictions.length, 2);
    for (const [index, at] of [0, 2].entries()) {
      const alone = await server.http.post('/predict?topK=2').attach('x', pictures[index] as Buffer, a);
      assert.deepEqual(body.results[at].predictions, alone.body.predictions);
      assert.equal(body.model, alone.body.model);
      assert.equal(body.version, alone.body.version);
    }
  });

  test('a JSON list answers a list, also for one image', async () => {
    const texts = pictures.map((bytes) => bytes.toString('base64'));
    const { body } = await server.http.post('/predict').send({ images: [...texts, 'no base64'] });
    assert.deepEqual(
      body.results.map(({ error }: Entry) => error?.code),
      [undefined, undefined, undefined, 'INVALID_REQUEST'],
    );
    const one = await server.http.post('/predict').send({ images: texts.slice(0, 1) });
    assert.equal(one.body.results.length, 1);
  });

  test('more than 64 images, none, and two kinds at once are refused', async () => {
    const form = server.http.post('/predict');
    for (let count = 0; count < 65; count++) form.attach('x', Buffer.from('x'), a);
    for (const request of [
      form,
      server.http.post('/predict').send({ images: Array(65).fill('AAAA') }),
      server.http.post('/predict').send({ images: [] }),
      server.http.post('/predict').send({ images: ['AAAA'], image: 'AAAA' }),
    ]) {
      const { status, body } = await request;
      assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'], JSON.stringify(body));
    }
  });

  test('images that are too large together are refused as a whole', async () => {
    const half = Buffer.alloc(60_000);
    const { status, body } = await server.http.post('/predict').attach('x', half, a).attach('x', half, b);
    assert.equal(status, 413, JSON.stringify(body));
  });

  test('an unknown model refuses the whole request', async () => {
    const { body } = await server.http.post('/predict?model=none').send({ images: ['AAAA'] });
    assert.equal(body.code, 'MODEL_NOT_FOUND');
  });

  test('an image that finds the queue full is an entry OVERLOADED', async () => {
    const narrow = createGatedModels({ maxQueue: 1 });
    const crowded = await startApp({ models: narrow });
    try {
      narrow.hold();
      const images = Array.from({ length: 8 }, () => (pictures[0] as Buffer).toString('base64'));
      const answer = crowded.http.post('/predict').send({ images }).then();
      await until('an image is in the engine', () => narrow.inferred > 0);
      narrow.release();
      const { status, body } = await answer;
      assert.equal(status, 200);
      const codes = body.results.map(({ error }: Entry) => error?.code ?? 'OK');
      assert.deepEqual([...new Set(codes)].sort(), ['OK', 'OVERLOADED']);
    } finally {
      narrow.release();
      await crowded.close();
      await narrow.close();
    }
  });

  test('a list of keys answers with the keys; without a store it is refused', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'many-'));
    const objects = await createFileStore(folder);
    const stored = await startApp({ models, objects });
    try {
      await objects.put('input/a.jpg', pictures[0] as Buffer);
      const keys = ['input/a.jpg', 'input/none.jpg', '../a.jpg'];
      const { body } = await stored.http.post('/predict').send({ objects: keys });
      assert.deepEqual(outline(body.results), [
        ['input/a.jpg', undefined],
        ['input/none.jpg', 'OBJECT_NOT_FOUND'],
        ['../a.jpg', 'INVALID_REQUEST'],
      ]);
      const refused = await server.http.post('/predict').send({ objects: keys });
      assert.equal(refused.body.code, 'INVALID_REQUEST');
    } finally {
      await stored.close();
      await rm(folder, { recursive: true });
    }
  });
});
