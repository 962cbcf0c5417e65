import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { isAppError } from '../../src/domain/errors.ts';
import { outputKey } from '../../src/domain/keys.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import {
  contentOf,
  idleQueue,
  picture,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';
import { ODD_KEYS } from '../storage/conformance.ts';

let model: TinyModel;
before(async () => {
  model = await makeTinyModel();
});
after(() => model.close());

const ask = {
  origin: 'request',
  source: { kind: 'prefix', prefix: 'input/' },
  model: 'tiny',
  topK: 2,
} as const;

const noise = (side: number) =>
  sharp(randomBytes(side * side * 3), { raw: { width: side, height: side, channels: 3 } });

/** Ten ways to be broken, and the code that each must get; the last two are done after the job was planned. */
const BROKEN: readonly { readonly code: string; readonly body: () => Promise<Buffer> }[] = [
  { code: 'UNREADABLE_IMAGE', body: async () => Buffer.alloc(0) },
  { code: 'UNREADABLE_IMAGE', body: async () => Buffer.from('just text\n') },
  { code: 'UNREADABLE_IMAGE', body: async () => (await noise(40).jpeg().toBuffer()).subarray(0, 150) },
  { code: 'UNREADABLE_IMAGE', body: async () => (await noise(40).png().toBuffer()).subarray(0, 100) },
  {
    code: 'UNREADABLE_IMAGE',
    body: async () => Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), randomBytes(400)]),
  },
  { code: 'UNREADABLE_IMAGE', body: async () => Buffer.from('%PDF-1.7\n1 0 obj\n<<>>\nendobj\n') },
  { code: 'IMAGE_TOO_LARGE', body: async () => noise(200).png().toBuffer() },
  {
    code: 'IMAGE_TOO_LARGE',
    body: () =>
      sharp({ create: { width: 2000, height: 1000, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
  },
  { code: 'OBJECT_NOT_FOUND', body: () => picture(1) },
  { code: 'OBJECT_CHANGED', body: () => picture(2) },
];

test('of 1,000 inputs of which every tenth is broken, in ten ways, each gets its row, and the counts are exact', async () => {
  const objects = await tempStore();
  const env = { ...model.env, MAX_IMAGE_BYTES: '60000', MAX_IMAGE_PIXELS: '1000000' };
  const queue = tempQueue(env);
  try {
    const expected = new Map<string, string>();
    for (let n = 0; n < 1000; n++) {
      const key = `input/${String(n).padStart(4, '0')}.jpg`;
      const way = n % 10 === 9 ? BROKEN[Math.floor(n / 10) % 10] : undefined;
      await objects.put(key, way ? await way.body() : await picture(n));
      if (way) expected.set(key, way.code);
    }
    const planned = tempBatch(objects, idleQueue(), { shardSize: 400, chunkSize: 50 });
    await planned.create({ ...ask, jobId: 'thousand' });
    for (const [key, code] of expected) {
      if (code === 'OBJECT_NOT_FOUND') await objects.delete(key);
      if (code === 'OBJECT_CHANGED') await objects.put(key, await picture(3));
    }
    const batch = tempBatch(objects, queue);
    assert.deepEqual(
      await batch.resume(),
      ['thousand'],
      'a restarted service finds the job and goes on with it',
    );
    const status = await untilFinished(batch, 'thousand');
    assert.equal(status.status, 'PARTIAL');
    assert.deepEqual(status.counts, { total: 1000, succeeded: 900, failed: 100, pending: 0 });
    const rows = await rowsOf(batch, 'thousand');
    assert.equal(rows.length, 1000);
    assert.equal(new Set(rows.map(({ key }) => key)).size, 1000);
    const faults = new Map(rows.filter(({ error }) => error).map(({ key, error }) => [key, error?.code]));
    assert.deepEqual(faults, expected);
    for (const row of rows) {
      assert.deepEqual(JSON.parse((await objects.get(outputKey(row.key) ?? '')).toString()), row);
    }
    assert.equal(
      (await batch.status(await batch.create({ ...ask, jobId: 'thousand' }))).status,
      'PARTIAL',
      'asked again, it is the same job',
    );
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});

test('odd keys travel through listing, shards, rows and outputs unchanged', async () => {
  const objects = await tempStore();
  const queue = tempQueue(model.env);
  try {
    // The longest names that a folder and `output/<name>.json` can hold.
    const longest = [`input/${'x'.repeat(250)}`, `input/${`${'long'.repeat(60)}/`.repeat(4)}x.jpg`];
    const keys = [...ODD_KEYS, ...longest];
    for (const [i, key] of keys.entries()) await objects.put(key, await picture(i));
    const batch = tempBatch(objects, queue, { shardSize: 10, chunkSize: 3 });
    const { jobId } = await batch.create({ ...ask, jobId: 'odd' });
    assert.equal((await untilFinished(batch, jobId)).status, 'SUCCEEDED');
    const rows = await rowsOf(batch, jobId);
    assert.deepEqual(new Set(rows.map(({ key }) => key)), new Set(keys));
    for (const key of keys) {
      const output = outputKey(key) ?? '';
      assert.equal(JSON.parse((await objects.get(output)).toString()).key, key);
    }
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});

test('an input that the store cannot hold, or whose output it cannot hold, has a row and the job goes on', async () => {
  const objects = await tempStore();
  const queue = tempQueue(model.env);
  try {
    // The output's name would have 258 bytes, or the name of a folder.
    const good = [`input/${'x'.repeat(253)}`, 'input/taken', 'input/taken.json/other.png'];
    for (const [n, key] of good.entries()) await objects.put(key, await picture(n));
    const bad = ['input/a//b.png', `input/${'y'.repeat(256)}`];
    const batch = tempBatch(objects, queue);
    const source = { kind: 'objects', objects: [...good, ...bad].sort().map((key) => ({ key })) } as const;
    const { jobId } = await batch.create({ ...ask, jobId: 'unusable', source });
    assert.equal((await untilFinished(batch, jobId)).status, 'PARTIAL');
    const rows = await rowsOf(batch, jobId);
    assert.deepEqual(
      new Map(rows.map(({ key, error }) => [key, error?.code])),
      new Map<string, string | undefined>([
        ...good.map((key) => [key, undefined] as const),
        ...bad.map((key) => [key, 'INVALID_REQUEST'] as const),
      ]),
    );
    assert.equal([...(await contentOf(objects, 'output/')).keys()].length, 1);
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});

test('a job without inputs is refused and leaves nothing behind', async () => {
  const objects = await tempStore();
  try {
    const batch = tempBatch(objects, idleQueue());
    await assert.rejects(
      batch.create({ ...ask, jobId: 'empty', source: { kind: 'prefix', prefix: 'input/folder/' } }),
      (error) => isAppError(error, 'INVALID_REQUEST'),
    );
    assert.equal((await contentOf(objects, '')).size, 0);
    assert.deepEqual(await batch.list(10), { jobs: [] });
  } finally {
    await objects.close();
  }
});

test('a worker with a model that is not there fails the job with a reason and without a second attempt', async () => {
  const objects = await tempStore();
  const queue = tempQueue(model.env);
  try {
    await objects.put('input/a.png', await picture(1));
    const batch = tempBatch(objects, queue);
    await batch.create({ ...ask, jobId: 'no-model', model: 'nonesuch' });
    const status = await untilFinished(batch, 'no-model');
    assert.equal(status.status, 'FAILED');
    assert.match(status.reason ?? '', /nonesuch.*\(attempt 1\)/);
    assert.deepEqual(status.counts, { total: 1, succeeded: 0, failed: 0, pending: 1 });
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});

const disk = smallDisk();
test('a full disk fails the attempt, and once there is room the job ends with every row', {
  skip: disk.skip,
}, async () => {
  const objects = await createFileStore(disk.folder);
  const queue = tempQueue(model.env, { attempts: 1 });
  try {
    for (let n = 0; n < 60; n++) await objects.put(`input/${n}.png`, await picture(n));
    const ballast = async () => {
      for (let n = 0, size = 65536; size >= 1; n++) {
        await objects.put(`ballast/${n}`, randomBytes(size)).catch((error: unknown) => {
          assert.ok(isAppError(error, 'STORE_UNAVAILABLE'), String(error));
          assert.match(error.message, /the disk is full/);
          size = size === 65536 ? 4096 : 0;
        });
      }
    };
    const planned = tempBatch(objects, idleQueue(), { chunkSize: 10 });
    await planned.create({ ...ask, jobId: 'full' });
    await ballast();
    const batch = tempBatch(objects, queue, { onError: () => {} });
    const reference = (
      await queue.submit({ jobId: 'full', shards: 1, jobUri: `${objects.uri}/jobs/full/job.json` })
    ).reference;
    const ended = await until('the end of the job', async () => {
      const found = await queue.status(reference);
      return (found?.state === 'FAILED' || found?.state === 'SUCCEEDED') && found;
    });
    assert.equal(ended.state, 'FAILED');
    assert.match(ended.reason ?? '', /disk is full/);
    for (const key of (await contentOf(objects, 'ballast/')).keys()) await objects.delete(key);
    await batch.create({ ...ask, jobId: 'full' });
    const status = await untilFinished(batch, 'full');
    assert.deepEqual(status.counts, { total: 60, succeeded: 60, failed: 0, pending: 0 });
    assert.equal((await rowsOf(batch, 'full')).length, 60);
    await batch.close();
  } finally {
    await queue.close();
  }
});
after(() => disk.close());

/** A file system of 3 MiB. */
function smallDisk(): { folder: string; skip: string | false; close(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    rmSync(folder, { recursive: true });
    return { folder, skip: 'needs the right to mount a tmpfs', close: () => {} };
  }
  const close = () => {
    execFileSync('umount', [folder]);
    rmSync(folder, { recursive: true });
  };
  return { folder, skip: false, close };
}
