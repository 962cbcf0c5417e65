import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import type { Batch } from '../../src/batch/batch.ts';
import { createThumbnailer } from '../../src/inference/image/thumbnail.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

/** A picture with a red left half and metadata that a thumbnail must not pass on. */
const photograph = (width: number, height: number, orientation = 1) =>
  sharp({ create: { width, height, channels: 3, background: '#00f' } })
    .composite([
      {
        input: { create: { width: width / 2, height, channels: 3, background: '#f00' } },
        left: 0,
        top: 0,
      },
    ])
    .withExif({ IFD0: { Artist: 'A. Photographer' } })
    .withMetadata({ orientation })
    .jpeg()
    .toBuffer();

describe('GET /batch/{jobId}/thumbnail', () => {
  const models = createGatedModels();
  const make = createThumbnailer({ maxPixels: 1_000_000 });
  let gate = Promise.resolve();
  let store: ObjectStore & { close(): Promise<void> };
  let batch: Batch;
  let server: TestApp;

  before(async () => {
    store = await tempStore();
    batch = tempBatch(store, idleQueue(), { shardSize: 600 });
    const thumbnail = async (image: Uint8Array) => {
      await gate;
      return make(image);
    };
    server = await startApp({ models, objects: store, batch, thumbnail, env: { MAX_IMAGE_BYTES: '100000' } });
  });
  after(async () => {
    await server.close();
    await batch.close();
    await store.close();
    await models.close();
  });

  async function jobOf(jobId: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
    const objects: { key: string }[] = [];
    for (const [key, content] of Object.entries(files)) {
      await store.put(key, content);
      objects.push({ key });
    }
    const source = { kind: 'objects', objects } as const;
    await batch.create({ jobId, origin: 'request', source, model: 'resnet50', topK: 1 });
  }
  const get = (jobId: string, key: string) =>
    server.http.get(`/batch/${jobId}/thumbnail`).query({ key }).buffer(true);

  test('is a small upright WebP without metadata, which browsers keep for a day', async () => {
    const key = 'input/holiday 2026/été+1%.jpg';
    await jobOf('photos', {
      [key]: await photograph(400, 200, 6),
      'input/tiny.jpg': await photograph(20, 10),
    });
    const { status, body, headers } = await get('photos', key);
    assert.deepEqual([status, headers['content-type']], [200, 'image/webp']);
    assert.equal(headers['cache-control'], 'private, max-age=86400, immutable');
    const { format, width, height, exif, orientation } = await sharp(body).metadata();
    assert.deepEqual([format, width, height, exif, orientation], ['webp', 96, 192, undefined, undefined]);
    // Turned by 90 degrees, the left half is the upper one.
    const { data } = await sharp(body).raw().toBuffer({ resolveWithObject: true });
    assert.ok((data[0] ?? 0) > 200 && (data[2] ?? 255) < 60, 'red at the top');
    const tiny = await sharp((await get('photos', 'input/tiny.jpg')).body).metadata();
    assert.deepEqual([tiny.width, tiny.height], [20, 10]);
  });

  test('is made of inputs of that job only, and of its first 1,000', async () => {
    await jobOf('other', { 'input/other.jpg': await photograph(20, 10) });
    const name = (n: number) => `input/many/${String(n).padStart(4, '0')}.jpg`;
    const jpeg = await photograph(20, 10);
    await jobOf('many', Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [name(n), jpeg])));
    for (const n of [0, 599, 600, 999]) assert.equal((await get('many', name(n))).status, 200, name(n));
    const refused = [name(1000), 'input/other.jpg', 'jobs/many/job.json', '../job.json', '/etc/passwd'];
    for (const key of refused) {
      const { status, text } = await get('many', key);
      assert.deepEqual([status, JSON.parse(text).code], [404, 'OBJECT_NOT_FOUND'], key);
    }
    const unknown = await get('no-such-job', name(0));
    assert.deepEqual([unknown.status, JSON.parse(unknown.text).code], [404, 'JOB_NOT_FOUND']);
    assert.equal((await server.http.get('/batch/many/thumbnail')).status, 400);
  });

  test('is refused for an input that is replaced, gone, broken or too large', async () => {
    const noise = Buffer.alloc(100_001, 'x');
    const pixels = await sharp({ create: { width: 1001, height: 1000, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    const jpeg = await photograph(20, 10);
    await jobOf('faults', {
      'input/broken.jpg': jpeg.subarray(0, 300),
      'input/bytes.jpg': noise,
      'input/gone.jpg': jpeg,
      'input/pixels.png': pixels,
      'input/replaced.jpg': jpeg,
      'input/text.jpg': 'no picture',
    });
    await store.put('input/replaced.jpg', await photograph(30, 10));
    await store.delete('input/gone.jpg');
    for (const [name, status, code] of [
      ['broken.jpg', 422, 'UNREADABLE_IMAGE'],
      ['text.jpg', 422, 'UNREADABLE_IMAGE'],
      ['bytes.jpg', 413, 'IMAGE_TOO_LARGE'],
      ['pixels.png', 413, 'IMAGE_TOO_LARGE'],
      ['gone.jpg', 404, 'OBJECT_NOT_FOUND'],
      ['replaced.jpg', 409, 'OBJECT_CHANGED'],
    ] as const) {
      const answer = await get('faults', `input/${name}`);
      assert.deepEqual([answer.status, JSON.parse(answer.text).code], [status, code], name);
    }
  });

  test('waits in a bounded queue, and gets 503 OVERLOADED beyond it', async () => {
    await jobOf('queue', { 'input/queued.jpg': await photograph(20, 10) });
    let open = () => {};
    gate = new Promise((resolve) => {
      open = resolve;
    });
    // 2 in work and 64 waiting; nothing ends before the gate opens.
    const answers = Array.from({ length: 80 }, () =>
      get('queue', 'input/queued.jpg').then((answer) => answer),
    );
    const refused = new Set<number>();
    await new Promise<void>((done) => {
      for (const [at, answer] of answers.entries())
        void answer.then(({ status, headers }) => {
          if (status !== 503) return;
          assert.equal(headers['retry-after'], '1');
          refused.add(at);
          if (refused.size === 14) done();
        });
    });
    open();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 66);
  });
});
