import assert from 'node:assert/strict';
import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sourceFolder } from '../../../models/paths.ts';
import { inspectSource } from '../../setup/model/fetch-source.ts';
import { prepare, type Wanted } from '../../setup/prepare.ts';
import { testContext } from './support/context.ts';
import { temporaryFolder } from './support/folders.ts';
import { startRegistry } from './support/registry.ts';

test('two set-ups at once do the work once, and a third finds everything ready', async (t) => {
  const folder = await temporaryFolder(t);
  const registry = await startRegistry(t, folder);
  const cacheDir = join(folder, 'cache');
  const environment = { npm_config_registry: registry.url };
  const wanted: Wanted = {
    engine: 'wasm',
    engineOptions: { placement: 'link' },
    models: [{ manifest: registry.manifest, folder }],
  };
  const contexts = [0, 1, 2].map(() => testContext({ root: folder, cacheDir, environment }));
  const [first, second, third] = contexts;
  assert.ok(first && second && third);
  await Promise.all([prepare(wanted, first), prepare(wanted, second)]);
  await prepare(wanted, third);
  assert.equal(registry.downloads(), 1);
  const source = sourceFolder(cacheDir, registry.manifest, folder);
  assert.equal(await inspectSource(registry.manifest, source, true), undefined);
  assert.deepEqual(third.lines, [], 'set-up reports only what it does');
  assert.deepEqual(await readdir(cacheDir), ['models'], 'neither lock nor work is left');
});

test('what an interrupted run left in the work folder is removed', async (t) => {
  const folder = await temporaryFolder(t);
  const registry = await startRegistry(t, folder);
  const cacheDir = join(folder, 'cache');
  await mkdir(join(cacheDir, 'work', 'half'), { recursive: true });
  await writeFile(join(cacheDir, 'work', 'half', 'file'), 'half');
  const context = testContext({
    root: folder,
    cacheDir,
    environment: { npm_config_registry: registry.url },
  });
  const models = [{ manifest: registry.manifest, folder }];
  const engineOptions = { placement: 'link' } as const;
  await prepare({ engine: 'wasm', engineOptions, models }, context);
  await assert.rejects(access(join(cacheDir, 'work')), { code: 'ENOENT' });
});
