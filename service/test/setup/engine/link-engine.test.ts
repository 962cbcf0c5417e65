import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ensureEngine } from '../../../setup/engine/engine.ts';
import { isPlaced, placeEngine, removeEngine } from '../../../setup/engine/link-engine.ts';
import { tfjsNodeFolder } from '../../../setup/engine/wheel-engine.ts';
import { makeSealedFolder } from '../../../setup/sealed-folder.ts';
import { testContext } from '../support/context.ts';
import { temporaryFolder } from '../support/folders.ts';

async function engines(t: TestContext) {
  const folder = await temporaryFolder(t);
  const packageDir = join(folder, 'tfjs-node');
  await mkdir(packageDir);
  const make = async (name: string) => {
    const product = join(folder, name);
    await makeSealedFolder(product, join(folder, 'work'), async (draft) => {
      await mkdir(join(draft, 'deps/lib'), { recursive: true });
      await mkdir(join(draft, 'lib/napi-v8'), { recursive: true });
      await writeFile(join(draft, 'deps/lib/library'), name);
      await writeFile(join(draft, 'lib/napi-v8/addon'), name);
    });
    return product;
  };
  const library = () => readFile(join(packageDir, 'deps/lib/library'), 'utf8');
  return { packageDir, one: await make('one'), two: await make('two'), library };
}

test('an engine is linked, relinked to another, and replaces real folders that another installer made', async (t) => {
  const { packageDir, one, two, library } = await engines(t);
  assert.equal(await isPlaced(one, packageDir, 'link'), false);
  await placeEngine(one, packageDir, 'link');
  assert.equal(await isPlaced(one, packageDir, 'link'), true);
  await placeEngine(two, packageDir, 'link');
  assert.equal(await isPlaced(one, packageDir, 'link'), false);
  assert.equal(await library(), 'two');
  await removeEngine(packageDir);
  await mkdir(join(packageDir, 'deps/lib'), { recursive: true });
  await placeEngine(one, packageDir, 'link');
  assert.equal(await library(), 'one');
  assert.equal(
    await readFile(join(one, 'deps/lib/library'), 'utf8'),
    'one',
    'the cache is never written through a link',
  );
});

test('a copied engine needs the cache no more, and links and copies replace each other', async (t) => {
  const { packageDir, one, two, library } = await engines(t);
  await placeEngine(one, packageDir, 'link');
  await placeEngine(two, packageDir, 'copy');
  assert.equal(await isPlaced(two, packageDir, 'copy'), true);
  assert.equal(await isPlaced(one, packageDir, 'copy'), false);
  assert.ok((await lstat(join(packageDir, 'deps'))).isDirectory());
  await rm(two, { recursive: true });
  assert.equal(await library(), 'two');
  await placeEngine(one, packageDir, 'link');
  assert.equal(await isPlaced(one, packageDir, 'link'), true);
});

test('links to the engine of another clone are replaced, or removed if there is no engine here', async (t) => {
  const { packageDir, one, two, library } = await engines(t);
  await placeEngine(one, packageDir, 'link');
  // As after an interruption: one link is ours, the other still foreign.
  await rm(join(packageDir, 'deps'));
  await symlink(join(two, 'deps'), join(packageDir, 'deps'));
  assert.equal(await isPlaced(one, packageDir, 'link'), false);
  await placeEngine(one, packageDir, 'link');
  assert.equal(await library(), 'one');

  const root = await temporaryFolder(t);
  const installed = tfjsNodeFolder(root);
  await mkdir(installed, { recursive: true });
  await writeFile(join(installed, 'package.json'), '{"version":"4.22.0"}');
  await placeEngine(two, installed, 'link');
  const environment = { PATH: '/nonexistent' };
  const context = testContext({ root, cacheDir: join(root, 'cache'), environment });
  assert.equal((await ensureEngine(context, { placement: 'link' })).engine, 'wasm');
  assert.deepEqual(await readdir(installed), ['package.json']);
  assert.equal(
    await readFile(join(two, 'deps/lib/library'), 'utf8'),
    'two',
    'the other clone keeps its engine',
  );
});
