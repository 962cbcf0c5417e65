import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sourceFolder } from '../../../models/paths.ts';
import { ensureSource, inspectSource } from '../../setup/model/fetch-source.ts';
import { testContext } from './support/context.ts';
import { root, temporaryFolder } from './support/folders.ts';
import { startRegistry } from './support/registry.ts';

async function prepared(t: TestContext, { verify = false } = {}) {
  const folder = await temporaryFolder(t);
  const registry = await startRegistry(t, folder);
  const cacheDir = join(folder, 'cache');
  const environment = { npm_config_registry: registry.url, npm_config_fetch_retries: '0' };
  const context = testContext({ root: folder, cacheDir, environment, verify });
  const target = sourceFolder(cacheDir, registry.manifest, folder);
  const ensure = () => ensureSource(registry.manifest, target, context);
  const inspect = () => inspectSource(registry.manifest, target, true);
  return { folder, registry, cacheDir, context, target, environment, ensure, inspect };
}

test('a model is downloaded once, keeps only the files of its manifest, and is repaired', async (t) => {
  const { registry, target, context, ensure, inspect } = await prepared(t);
  await ensure();
  assert.equal(await inspect(), undefined);
  assert.deepEqual((await readdir(target)).sort(), ['labels.json', 'net']);
  await ensure();
  assert.equal(registry.downloads(), 1, 'complete files are not downloaded again');

  await truncate(join(target, 'net', 'shard1.bin'), 10);
  await ensure();
  assert.equal(await inspect(), undefined);
  assert.ok(context.lines.some((line) => /downloading tiny again: net\/shard1\.bin has 10 bytes/.test(line)));
});

test('--verify finds a changed file of the same size, which a start does not look for', async (t) => {
  const { registry, target, context, ensure } = await prepared(t);
  await ensure();
  await writeFile(join(target, 'labels.json'), '["dog","cat"]');
  await ensure();
  assert.equal(registry.downloads(), 1, 'its size is right');
  await ensureSource(registry.manifest, target, { ...context, verify: true });
  assert.equal(await readFile(join(target, 'labels.json'), 'utf8'), '["cat","dog"]');
  assert.ok(
    context.lines.some((line) => /downloading tiny again: labels\.json does not have its hash/.test(line)),
  );
});

test('a package with another hash is refused in one line, and none of it is kept', async (t) => {
  const { registry, cacheDir, ensure, inspect } = await prepared(t);
  registry.sendTarball = (response, data) => {
    const changed = Buffer.from(data);
    changed[changed.length >> 1] = (changed[changed.length >> 1] ?? 0) ^ 1;
    response.end(changed);
  };
  await assert.rejects(ensure(), ({ message }: Error) => {
    assert.match(message, /downloading tiny-model@1\.2\.3: .*(expected hash|invalid|incorrect|Z_DATA)/);
    assert.doesNotMatch(message, /\n/);
    return true;
  });
  assert.match((await inspect()) ?? 'trusted', /missing/);
  assert.deepEqual(await readdir(join(cacheDir, 'work')), []);
});

test('an unreachable registry is reported', async (t) => {
  const { folder, registry, cacheDir, target } = await prepared(t);
  // Port 9 (discard): nothing listens there.
  const environment = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' };
  const context = testContext({ root: folder, cacheDir, environment });
  await assert.rejects(
    ensureSource(registry.manifest, target, context),
    /the network cannot be reached.*ECONNREFUSED/,
  );
});

test('files of a model without a package must match the manifest', async (t) => {
  const { folder, registry, context } = await prepared(t);
  const { npm: _npm, integrity: _integrity, ...source } = registry.manifest.source;
  await assert.rejects(
    ensureSource({ ...registry.manifest, source }, folder, context),
    /model tiny: net\/model\.json is missing .*restore the file or correct the manifest/,
  );
});

test('a process killed in the middle of the download leaves nothing that is trusted, and the next run repairs it', async (t) => {
  const { folder, registry, cacheDir, target, environment, ensure, inspect } = await prepared(t);
  const halfSent = new Promise<void>((resolve) => {
    registry.sendTarball = (response, data) => {
      response.writeHead(200, { 'content-length': data.length });
      response.write(data.subarray(0, data.length >> 1), () => resolve()); // and never the rest
    };
  });
  const script = `
    const { ensureSource } = await import(${JSON.stringify(join(root, 'dist/service/setup/model/fetch-source.js'))});
    const { createProgress } = await import(${JSON.stringify(join(root, 'dist/service/setup/progress.mjs'))});
    const [manifest, target, root, cacheDir] = JSON.parse(process.argv[1]);
    const progress = createProgress(process.stderr, false);
    await ensureSource(manifest, target, { root, cacheDir, environment: process.env, verify: false, progress });`;
  const args = JSON.stringify([registry.manifest, target, folder, cacheDir]);
  await mkdir(cacheDir, { recursive: true });
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await halfSent;
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.match((await inspect()) ?? 'trusted', /missing/);

  registry.sendTarball = (response, data) => void response.end(data);
  await ensure();
  assert.equal(await inspect(), undefined);
});
