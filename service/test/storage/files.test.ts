import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { ODD_KEYS, testObjectStore } from './conformance.ts';

/** 255 bytes: the limit of the usual file systems. */
const LONGEST_NAME = `input/${'x'.repeat(255)}`;

let folder: string;
let store: ObjectStore;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
  store = await createFileStore(`file:${folder}/store`);
});
after(() => rm(folder, { recursive: true, force: true }));

testObjectStore('files', {
  store: () => store,
  keys: [...ODD_KEYS, 'input/.key~=looks-escaped', LONGEST_NAME],
  many: 1200,
});

test('ordinary files that people drop are seen under their own names', async () => {
  const names = ['my cat.jpg', '100%.png', 'a+b#c.jpg', 'Zürich.jpg', '.profile'];
  await mkdir(join(folder, 'store/dropped'));
  for (const name of names) await writeFile(join(folder, 'store/dropped', name), name);
  const found = [];
  for await (const { key } of store.list('dropped/')) found.push(key);
  assert.deepEqual(new Set(found), new Set(names.map((name) => `dropped/${name}`)));
  for (const name of names) assert.equal((await store.get(`dropped/${name}`)).toString(), name);
});

test('the store never leaves its folder, neither by dots nor by links', async () => {
  await writeFile(join(folder, 'secret'), 'secret');
  await assert.rejects(store.get('../secret'), (e) => isAppError(e, 'INVALID_REQUEST'));
  await assert.rejects(store.put('../secret', 'mine'), (e) => isAppError(e, 'INVALID_REQUEST'));
  await assert.rejects(store.delete('../secret'), (e) => isAppError(e, 'INVALID_REQUEST'));
  assert.deepEqual((await readdir(folder)).sort(), ['secret', 'store']);
  await mkdir(join(folder, 'store/links'));
  await symlink(folder, join(folder, 'store/links/out'));
  await symlink(join(folder, 'secret'), join(folder, 'store/links/file'));
  await assert.rejects(store.get('links/out/secret'), (e) => isAppError(e, 'OBJECT_NOT_FOUND'));
  await assert.rejects(store.get('links/file'), (e) => isAppError(e, 'OBJECT_NOT_FOUND'));
  await assert.rejects(store.put('links/out/new/planted', 'x'), (e) => isAppError(e, 'OBJECT_NOT_FOUND'));
  await store.delete('links/out/secret');
  assert.deepEqual((await readdir(folder)).sort(), ['secret', 'store']);
  for await (const { key } of store.list('links/')) assert.fail(`listed ${key}`);
});

test('a file changed in place has another etag', async () => {
  const { etag } = await store.put('in-place', 'aaaa');
  await writeFile(join(folder, 'store/in-place'), 'bbbb');
  await assert.rejects(store.get('in-place', { etag }), (e) => isAppError(e, 'OBJECT_CHANGED'));
});

test('lastModified is when a file came into the store, whatever its mtime is', async () => {
  const path = join(folder, 'store/camera.jpg');
  await writeFile(path, 'x');
  for (const year of ['1999', '2099']) {
    await utimes(path, new Date(year), new Date(year));
    const { lastModified } = await store.head('camera.jpg');
    assert.ok(Math.abs(Date.now() - lastModified.getTime()) < 60_000, lastModified.toISOString());
  }
});

test('a key that a file system cannot hold is INVALID_REQUEST, with the key and the reason', async () => {
  const reasons = {
    'bad/../up.jpg': /empty segments/,
    'bad/./here.jpg': /empty segments/,
    'bad//b.jpg': /empty segments/,
    '/bad': /empty segments/,
    'bad/folder-marker/': /empty segments/,
    'bad/nul\0.jpg': /NUL/,
    '.key~temp/x': /reserved/,
    '.KEY~TEMP/x': /reserved/,
    [`bad/${'x'.repeat(256)}`]: /too long/,
    [`bad/${'\u{1f408}'.repeat(64)}/a.jpg`]: /too long/,
  };
  for (const [key, reason] of Object.entries(reasons)) {
    const isRefused = (error: unknown) =>
      isAppError(error, 'INVALID_REQUEST') &&
      reason.test(error.message) &&
      error.message.includes(JSON.stringify(key));
    await assert.rejects(store.put(key, 'x'), isRefused, key);
    await assert.rejects(store.put(key, 'x', { ifAbsent: true }), isRefused, key);
    await assert.rejects(store.get(key), isRefused, key);
    await assert.rejects(store.head(key), isRefused, key);
  }
  for await (const { key } of store.list('bad')) assert.fail(`listed ${key}`);
  assert.deepEqual(await readdir(join(folder, 'store/.key~temp')), []);
});

test('a file and a folder cannot have one name: the second write is INVALID_REQUEST', async () => {
  const isRefused = (e: unknown) => isAppError(e, 'INVALID_REQUEST') && /same name/.test(e.message);
  await store.put('one/name', 'file');
  for (const key of ['one/name/below', 'one/name/far/below']) {
    for (const ifAbsent of [true, false]) await assert.rejects(store.put(key, 'x', { ifAbsent }), isRefused);
    await assert.rejects(store.get(key), (e) => isAppError(e, 'OBJECT_NOT_FOUND'));
    await store.delete(key);
  }
  for (const ifAbsent of [true, false]) await assert.rejects(store.put('one', 'x', { ifAbsent }), isRefused);
  await assert.rejects(store.get('one'), (e) => isAppError(e, 'OBJECT_NOT_FOUND'));
  await store.delete('one');
  assert.equal((await store.get('one/name')).toString(), 'file');
});

test('a file whose name is not UTF-8 is ignored with a warning, and U+FFFD in a name is not', async () => {
  await mkdir(join(folder, 'store/raw'));
  const raw = Buffer.concat([Buffer.from(join(folder, 'store/raw/')), Buffer.from([0xff, 0x2e])]);
  await writeFile(raw, '').catch((error: NodeJS.ErrnoException) => assert.equal(error.code, 'EILSEQ'));
  await writeFile(join(folder, 'store/raw/\ufffd\ufffd'), '');
  const found = [];
  for await (const { key } of store.list('raw/')) found.push(key);
  assert.deepEqual(found, ['raw/\ufffd\ufffd']);
});

test('a deletion leaves no empty folders, and writers beside it do not fail', async () => {
  const long = `prune/${'long'.repeat(60)}/a`;
  await store.put(long, 'x');
  await store.delete(long);
  assert.ok(!(await readdir(join(folder, 'store/prune'))).length);
  await Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; n < 100; n++) {
        const key = `prune/deep/er/${writer}`;
        await store.put(key, 'x', { ifAbsent: n % 2 === 0 });
        await store.delete(key);
      }
    }),
  );
  assert.deepEqual(await readdir(join(folder, 'store/prune')), []);
});

test('no half-written file is left behind by a failed write', async () => {
  await store.put('taken', 'x');
  await assert.rejects(store.put('taken', 'y', { ifAbsent: true }));
  assert.deepEqual(await readdir(join(folder, 'store/.key~temp')), []);
});

test('a folder that cannot be created is an error of one line', async () => {
  await writeFile(join(folder, 'a-file'), '');
  await assert.rejects(
    createFileStore(`file:${folder}/a-file/store`),
    (e) => isAppError(e) && !e.message.includes('\n'),
  );
});
