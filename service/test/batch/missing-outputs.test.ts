import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingOutputs } from '../../src/batch/missing-outputs.ts';
import { compareKeys, outputKey } from '../../src/domain/keys.ts';
import type { ObjectInfo } from '../../src/storage/object-store.ts';

const info = (key: string, at = 1000): ObjectInfo => ({
  key,
  etag: 'e',
  size: 1,
  lastModified: new Date(at),
});

async function* sorted(infos: readonly ObjectInfo[]): AsyncGenerator<ObjectInfo> {
  yield* [...infos].sort((a, b) => compareKeys(a.key, b.key));
}

async function missing(inputs: readonly ObjectInfo[], outputs: readonly ObjectInfo[]): Promise<string[]> {
  const found = [];
  for await (const { key } of missingOutputs(sorted(inputs), sorted(outputs))) found.push(key);
  return found.sort(compareKeys);
}

test('any set of inputs, any subset of outputs: exactly the others are missing', async () => {
  let seed = 7;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % n;
  };
  const letters = ['a', 'b', ' ', '.', '-', '/', '.json', 'é', '~', '\u{1F408}'];
  for (let round = 0; round < 300; round++) {
    const names = new Set(
      Array.from({ length: 1 + random(20) }, () =>
        Array.from({ length: 1 + random(4) }, () => letters[random(letters.length)]).join(''),
      ),
    );
    const keys = [...names].map((name) => `input/${name}`);
    const done = keys.filter(() => random(2) === 0);
    const outputs = done.map((key) => info(outputKey(key) ?? '', 2000));
    const expected = keys.filter((key) => !done.includes(key)).sort(compareKeys);
    assert.deepEqual(
      await missing(
        keys.map((key) => info(key)),
        outputs,
      ),
      expected,
    );
  }
});

test('an output that is not newer than its input counts as missing, and one without an input is passed over', async () => {
  const outputs = [
    info('output/old.json', 999),
    info('output/same.json', 1000),
    info('output/new.json', 1001),
    info('output/orphan.json'),
  ];
  assert.deepEqual(await missing([info('input/old'), info('input/same'), info('input/new')], outputs), [
    'input/old',
    'input/same',
  ]);
});

test('a million inputs before the first output are passed on one by one, not held', async () => {
  let made = 0;
  async function* many() {
    for (; made < 1_000_000; made++) yield info(`input/${String(made).padStart(7, '0')}`);
  }
  let seen = 0;
  for await (const _ of missingOutputs(many(), sorted([info('output/z.json')]))) {
    seen += 1;
    assert.ok(made - seen <= 1, 'it read ahead');
    if (seen === 100_000) break;
  }
  assert.equal(seen, 100_000);
});
