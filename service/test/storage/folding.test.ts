import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { foldingFolder } from '../helpers/folding-folder.ts';
import { ODD_KEYS, testObjectStore } from './conformance.ts';

const { folder, skip, close } = await foldingFolder();
let store: ObjectStore;
before(async () => {
  if (!skip) store = await createFileStore(`file:${folder}/store`);
});
after(close);

testObjectStore('files that ignore case', {
  store: () => store,
  // Two spellings of one name: see below.
  keys: ODD_KEYS.filter((key) => key === key.normalize('NFC')),
  many: 200,
  ...(skip ? { skip } : {}),
});

const isRefused = (error: unknown) =>
  isAppError(error, 'INVALID_REQUEST') && /only in case or in the encoding of an accent/.test(error.message);

async function listed(prefix: string): Promise<string[]> {
  const found = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
}

test('a second spelling of a name is INVALID_REQUEST, and the first object stays as it is', {
  skip,
}, async () => {
  const pairs = [
    ['in/a.jpg', 'in/A.JPG'],
    ['in/b.jpg', 'IN/c.jpg'],
    ['in/Cats/1.jpg', 'in/cats/2.jpg'],
    ['in/caf\u00e9.jpg', 'in/cafe\u0301.jpg'],
    ['in/stra\u00dfe.jpg', 'in/STRASSE.jpg'],
  ] as const;
  for (const [first, second] of pairs) {
    await store.put(first, first, { ifAbsent: true });
    for (const ifAbsent of [true, false])
      await assert.rejects(store.put(second, 'other', { ifAbsent }), isRefused, second);
    await assert.rejects(store.put(first, 'x', { ifAbsent: true }), (e) => isAppError(e, 'CONFLICT'));
    assert.equal((await store.get(first)).toString(), first);
    await store.put(first, `${first} again`);
    assert.equal((await store.get(first)).toString(), `${first} again`);
  }
  assert.deepEqual(await listed('in/'), pairs.map(([first]) => first).toSorted());
  assert.deepEqual(await listed('IN/'), []);
});

test('once an object is deleted, its name can have another spelling', { skip }, async () => {
  for (const key of ['case/Dogs/a.jpg', 'case/dogs/A.jpg', 'case/DOGS/a.JPG']) {
    await store.put(key, key);
    assert.deepEqual(await listed('case/'), [key]);
    await store.delete(key);
  }
});

test('of writers whose keys differ only in case one wins, and the others are refused', { skip }, async () => {
  const keys = Array.from({ length: 16 }, (_, n) =>
    [...'race'].map((letter, i) => ((n >> i) & 1 ? letter.toUpperCase() : letter)).join(''),
  );
  for (let round = 0; round < 10; round++) {
    const writes = await Promise.allSettled(
      keys.map((key, i) => store.put(`race/${key}`, key, { ifAbsent: i % 2 === 0 })),
    );
    const winners = keys.filter((_, i) => writes[i]?.status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const write of writes) if (write.status === 'rejected') assert.ok(isRefused(write.reason));
    const [key = ''] = winners;
    assert.deepEqual(await listed('race/'), [`race/${key}`]);
    assert.equal((await store.get(`race/${key}`)).toString(), key);
    await store.delete(`race/${key}`);
  }
});

test('a file that people drop keeps its own name', { skip }, async () => {
  await store.put('dropped/x', '');
  writeFileSync(join(folder, 'store/dropped/IMG_1.JPG'), 'mine');
  assert.equal((await store.get('dropped/IMG_1.JPG')).toString(), 'mine');
  await assert.rejects(store.put('dropped/img_1.jpg', 'other'), isRefused);
  await store.put('dropped/IMG_1.JPG', 'mine again');
  assert.ok(readdirSync(join(folder, 'store/dropped')).includes('IMG_1.JPG'));
});
