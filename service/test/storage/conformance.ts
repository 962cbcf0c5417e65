import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import { compareKeys } from '../../src/domain/keys.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const code = (wanted: string) => (error: unknown) => isAppError(error) && error.code === wanted;

/** Keys that break naive stores: each must come back exactly. */
export const ODD_KEYS = [
  'input/plain.jpg',
  'input/with space.jpg',
  'input/plus+percent%20hash#question?.jpg',
  'input/100%.jpg',
  'input/newline\nin it.jpg',
  'input/caf\u00e9-nfc.jpg',
  'input/cafe\u0301-nfc.jpg',
  'input/日本語/🐈.jpg',
  'input/"quotes" & <angles>.jpg',
  'input/back\\slash.jpg',
  'input/.hidden',
  'input/deep/er/and/deeper.jpg',
];

export interface ConformanceOptions {
  /** A fresh prefix is used in each test, so that one store serves them all. */
  readonly store: () => ObjectStore;
  readonly keys: readonly string[];
  /** How many objects the paging test writes: more than one page of the adapter. */
  readonly many: number;
  readonly skip?: string | undefined;
}

/** The contract of the port, for every adapter. */
export function testObjectStore(name: string, { store, keys, many, skip }: ConformanceOptions): void {
  const on = (what: string, run: (objects: ObjectStore, prefix: string) => Promise<void>) =>
    test(`${name}: ${what}`, { skip: skip ?? false }, () =>
      run(store(), `t-${randomBytes(6).toString('hex')}/`),
    );
  const listed = async (objects: ObjectStore, prefix: string, startAfter?: string) => {
    const found = [];
    for await (const info of objects.list(prefix, startAfter === undefined ? {} : { startAfter }))
      found.push(info);
    return found;
  };

  on('what was put is read back, by get, read and head', async (objects, prefix) => {
    const body = randomBytes(100_000);
    const put = await objects.put(`${prefix}a`, body);
    assert.deepEqual(await objects.get(`${prefix}a`), body);
    assert.deepEqual(await buffer(await objects.read(`${prefix}a`)), body);
    const head = await objects.head(`${prefix}a`);
    assert.equal(head.key, `${prefix}a`);
    assert.equal(head.size, 100_000);
    assert.equal(head.etag, put.etag);
    assert.ok(head.lastModified.getTime() > 0);
  });

  on('empty objects, strings and streams are bodies too', async (objects, prefix) => {
    await objects.put(`${prefix}empty`, '');
    assert.equal((await objects.get(`${prefix}empty`)).length, 0);
    await objects.put(`${prefix}text`, 'grüße');
    assert.equal((await objects.get(`${prefix}text`)).toString(), 'grüße');
    const big = randomBytes(9 * 1024 * 1024);
    const info = await objects.put(
      `${prefix}stream`,
      Readable.from([big.subarray(0, 5_000_000), big.subarray(5_000_000)]),
    );
    assert.equal(info.size, big.length);
    assert.ok((await objects.get(`${prefix}stream`)).equals(big));
    assert.equal((await objects.head(`${prefix}stream`)).etag, info.etag);
    assert.ok((await objects.get(`${prefix}stream`, { etag: info.etag })).equals(big));
  });

  on('odd keys round-trip, and the listing has them in the order of their bytes', async (objects, prefix) => {
    const wanted = keys.map((key) => (prefix + key.slice('input/'.length)).slice(0, 1024));
    for (const key of wanted) await objects.put(key, key);
    for (const key of wanted) assert.equal((await objects.get(key)).toString(), key);
    const found = (await listed(objects, prefix)).map(({ key }) => key);
    assert.deepEqual(found, [...wanted].sort(compareKeys));
    assert.deepEqual(
      found,
      [...found].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    const middle = found[Math.floor(found.length / 2)] ?? '';
    assert.deepEqual(
      (await listed(objects, prefix, middle)).map(({ key }) => key),
      found.slice(Math.floor(found.length / 2) + 1),
    );
    for (const key of wanted) await objects.delete(key);
    assert.deepEqual(await listed(objects, prefix), []);
  });

  on('a listing has every object once, with the etag and size that head returns', async (objects, prefix) => {
    const wanted = Array.from({ length: many }, (_, i) => `${prefix}${i % 7}/${i}.txt`);
    for (let i = 0; i < wanted.length; i += 32) {
      await Promise.all(wanted.slice(i, i + 32).map((key) => objects.put(key, key)));
    }
    const found = await listed(objects, prefix);
    assert.deepEqual(
      found.map(({ key }) => key),
      wanted.sort(compareKeys),
    );
    for (const info of found.slice(0, 5)) {
      const head = await objects.head(info.key);
      assert.equal(head.etag, info.etag);
      assert.equal(head.size, info.size);
    }
    assert.equal(
      (await listed(objects, `${prefix}3/`)).length,
      wanted.filter((key) => key.startsWith(`${prefix}3/`)).length,
    );
  });

  on('a missing object is OBJECT_NOT_FOUND, and deleting it is no error', async (objects, prefix) => {
    await assert.rejects(objects.get(`${prefix}none`), code('OBJECT_NOT_FOUND'));
    await assert.rejects(objects.read(`${prefix}none`), code('OBJECT_NOT_FOUND'));
    await assert.rejects(objects.head(`${prefix}none/deeper`), code('OBJECT_NOT_FOUND'));
    await objects.delete(`${prefix}none`);
    await objects.put(`${prefix}some`, 'x');
    await objects.delete(`${prefix}some`);
    await assert.rejects(objects.get(`${prefix}some`), code('OBJECT_NOT_FOUND'));
  });

  on('of many that create one object at once exactly one wins', async (objects, prefix) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => objects.put(`${prefix}one`, `writer ${i}`, { ifAbsent: true })),
    );
    const losers = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(losers.length, 7);
    for (const loser of losers) assert.ok(code('CONFLICT')(loser.reason), String(loser.reason));
    const winner = outcomes.findIndex((outcome) => outcome.status === 'fulfilled');
    assert.equal((await objects.get(`${prefix}one`)).toString(), `writer ${winner}`);
  });

  on('the etag changes with every change of content, and pins a read', async (objects, prefix) => {
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++)
      seen.add((await objects.put(`${prefix}a`, `same size ${i % 10}${Math.floor(i / 10)}`)).etag);
    assert.equal(seen.size, 50);
    const { etag } = await objects.put(`${prefix}a`, 'first');
    assert.equal((await objects.get(`${prefix}a`, { etag })).toString(), 'first');
    await objects.put(`${prefix}a`, 'other');
    await assert.rejects(objects.get(`${prefix}a`, { etag }), code('OBJECT_CHANGED'));
    await assert.rejects(objects.read(`${prefix}a`, { etag }), code('OBJECT_CHANGED'));
  });

  on('a reader never sees half of a write', async (objects, prefix) => {
    const bodies = ['a', 'b'].map((letter) => Buffer.from(letter.repeat(200_000)));
    await objects.put(`${prefix}x`, bodies[0] ?? '');
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 30; i++) await objects.put(`${prefix}x`, bodies[i % 2] ?? '');
      writing = false;
    })();
    while (writing) {
      const got = await objects.get(`${prefix}x`);
      assert.ok(
        bodies.some((body) => body.equals(got)),
        `a mixture of ${got.length} bytes`,
      );
    }
    await writer;
  });

  on('an object larger than maxBytes is refused before it is read', async (objects, prefix) => {
    await objects.put(`${prefix}big`, Buffer.alloc(5000));
    await assert.rejects(objects.get(`${prefix}big`, { maxBytes: 4999 }), code('IMAGE_TOO_LARGE'));
    assert.equal((await objects.get(`${prefix}big`, { maxBytes: 5000 })).length, 5000);
  });

  on('an aborted read rejects with the abort, not with an AppError', async (objects, prefix) => {
    await objects.put(`${prefix}a`, 'x');
    await assert.rejects(
      objects.get(`${prefix}a`, { signal: AbortSignal.abort() }),
      (error) => !isAppError(error),
    );
  });

  on('keys that no object can have are refused', async (objects) => {
    for (const key of ['', 'x'.repeat(1025), `half-${'\ud83d'}`]) {
      await assert.rejects(objects.put(key, 'x'), code('INVALID_REQUEST'));
      await assert.rejects(objects.get(key), code('INVALID_REQUEST'));
    }
  });
}
