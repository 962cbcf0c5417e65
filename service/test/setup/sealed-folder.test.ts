import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspectSealedFolder, makeSealedFolder } from '../../setup/sealed-folder.ts';
import { temporaryFolder } from './support/folders.ts';

async function sealed(context: Parameters<typeof temporaryFolder>[0]) {
  const folder = await temporaryFolder(context);
  const target = join(folder, 'product');
  const workDir = join(folder, 'work');
  const make = () =>
    makeSealedFolder(target, workDir, async (draft) => {
      await mkdir(join(draft, 'deep'));
      await writeFile(join(draft, 'deep', 'a.bin'), Buffer.alloc(3_000_000, 7));
      await writeFile(join(draft, 'b.txt'), 'text');
      await symlink('b.txt', join(draft, 'link'));
    });
  const inspect = (verify = false) => inspectSealedFolder(target, verify);
  return { target, workDir, make, inspect };
}

test('a sealed folder is trusted while it is complete, and making it again repairs it', async (t) => {
  const { target, make, inspect } = await sealed(t);
  assert.equal(await inspect(), 'missing');
  await make();
  assert.equal(await inspect(), undefined);

  const damages: Array<[() => Promise<unknown>, RegExp]> = [
    [() => truncate(join(target, 'deep', 'a.bin'), 2_999_999), /a\.bin has 2999999 bytes instead of 3000000/],
    [() => appendFile(join(target, 'b.txt'), 'x'), /b\.txt has 5 bytes instead of 4/],
    [() => rm(join(target, 'deep', 'a.bin')), /a\.bin is missing/],
    [() => rm(join(target, 'link')), /link is missing/],
    [() => truncate(join(target, 'files.json'), 20), /files\.json is missing or damaged/],
    [() => rm(join(target, 'files.json')), /files\.json is missing or damaged/],
  ];
  for (const [damage, expected] of damages) {
    await damage();
    assert.match((await inspect()) ?? 'trusted', expected);
    await make();
    assert.equal(await inspect(), undefined);
  }
});

test('work that fails leaves what was there before untouched and nothing half-made behind', async (t) => {
  const { target, workDir, make, inspect } = await sealed(t);
  await make();
  const failing = makeSealedFolder(target, workDir, async (draft) => {
    await writeFile(join(draft, 'half'), 'half');
    throw new Error('interrupted');
  });
  await assert.rejects(failing, /interrupted/);
  assert.equal(await inspect(), undefined);
  assert.equal(await readFile(join(target, 'b.txt'), 'utf8'), 'text');
  assert.deepEqual(await readdir(workDir), []);
});

test('a file that changed in place is found by its hash, if asked for', async (t) => {
  const { target, make, inspect } = await sealed(t);
  await make();
  assert.equal(await inspect(true), undefined);
  await writeFile(join(target, 'b.txt'), 'tex!');
  assert.equal(await inspect(), undefined);
  assert.equal(await inspect(true), 'b.txt does not have its hash');
});
