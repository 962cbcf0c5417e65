import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import { compareKeys } from '../../src/domain/keys.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import { decodeName, hexSegment } from '../../src/storage/folder/names.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { foldingFolder } from '../helpers/folding-folder.ts';
import { ODD_KEYS, ODDER_KEYS, testObjectStore } from './conformance.ts';

const { folder, skip, close } = await foldingFolder();
let store: ObjectStore;
before(async () => {
  if (!skip) store = await createFileStore(`file:${folder}/store`);
});
after(close);

testObjectStore('files that ignore case', {
  store: () => store,
  keys: [...ODD_KEYS, ...ODDER_KEYS],
  many: 200,
  ...(skip ? { skip } : {}),
});

const notFound = (error: unknown) => isAppError(error, 'OBJECT_NOT_FOUND');

test('keys that differ only in case, or in how an accent is written, are objects of their own', {
  skip,
}, async () => {
  const keys = [
    'in/a.jpg',
    'in/A.jpg',
    'in/A.JPG',
    'IN/a.jpg',
    'in/Cats/1.jpg',
    'in/cats/1.jpg',
    'in/cats',
    'in/CATS',
    'in/caf\u00e9.jpg',
    'in/cafe\u0301.jpg',
    'in/stra\u00dfe.jpg',
    'in/STRASSE.jpg',
  ];
  for (const key of keys) await store.put(key, key, { ifAbsent: true });
  for (const key of keys) {
    assert.equal((await store.get(key)).toString(), key);
    await assert.rejects(store.put(key, 'x', { ifAbsent: true }), (e) => isAppError(e, 'CONFLICT'));
    await store.put(key, `${key} again`);
  }
  const found: string[] = [];
  for (const prefix of ['IN/', 'in/']) for await (const { key } of store.list(prefix)) found.push(key);
  assert.deepEqual(found, [...keys].sort(compareKeys));
  await assert.rejects(store.get('in/a.JPG'), notFound);
  await store.delete('in/a.JPG');
  for (const key of keys) {
    assert.equal((await store.get(key)).toString(), `${key} again`);
    await store.delete(key);
    await assert.rejects(store.get(key), notFound);
  }
});

test('of writers whose keys differ only in case none loses its object', { skip }, async () => {
  const keys = Array.from({ length: 16 }, (_, n) =>
    [...'race'].map((letter, i) => ((n >> i) & 1 ? letter.toUpperCase() : letter)).join(''),
  );
  for (let round = 0; round < 10; round++) {
    await Promise.all(keys.map((key, i) => store.put(`race/${key}`, key, { ifAbsent: i % 2 === 0 })));
    for (const key of keys) assert.equal((await store.get(`race/${key}`)).toString(), key);
    await Promise.all(keys.map((key) => store.delete(`race/${key}`)));
  }
});

test('a file that people drop keeps its own name', { skip }, async () => {
  await store.put('dropped/x', '');
  writeFileSync(join(folder, 'store/dropped/IMG_1.JPG'), 'mine');
  assert.equal((await store.get('dropped/IMG_1.JPG')).toString(), 'mine');
  await assert.rejects(store.get('dropped/img_1.jpg'), notFound);
  await store.put('dropped/img_1.jpg', 'other');
  assert.equal((await store.get('dropped/IMG_1.JPG')).toString(), 'mine');
  await store.put('dropped/IMG_1.JPG', 'mine again');
  assert.ok(readdirSync(join(folder, 'store/dropped')).includes('IMG_1.JPG'));
});

test('the name of an object whose plain name is taken has no capitals', () => {
  for (const segment of ['A.jpg', 'Ünï', 'x'.repeat(1000), '']) {
    const names = hexSegment(segment);
    for (const name of names) assert.equal(name, name.toLowerCase());
    const pieces = names.map((name, i) => {
      const piece = decodeName(name);
      assert.equal(piece.kind, i === names.length - 1 ? 'last' : 'more');
      return 'bytes' in piece ? piece.bytes : Buffer.alloc(0);
    });
    assert.equal(Buffer.concat(pieces).toString(), segment);
  }
});
