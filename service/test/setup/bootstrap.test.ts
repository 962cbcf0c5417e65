import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { cacheFolder } from '../../../models/paths.ts';
import { configSchema } from '../../src/config/config.ts';
import { bootstrapModule, root, temporaryFolder } from './support/folders.ts';

interface Dependencies {
  whyInstall(root: string): string | undefined;
  explain(output: string): string;
}
interface Build {
  isBuilt(root: string): boolean;
  ensureBuild(options: { root: string; acquireLock: unknown }): Promise<void>;
}
const { whyInstall, explain } = await bootstrapModule<Dependencies>('dependencies.mjs');
const { isBuilt, ensureBuild } = await bootstrapModule<Build>('build.mjs');
const { PROGRAMS } = await bootstrapModule<{ PROGRAMS: Readonly<Record<string, string>> }>('bundle.mjs');
const { acquireLock } = await bootstrapModule<{ acquireLock: unknown }>('lock.mjs');

async function write(folder: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

test('node_modules is installed anew exactly when it is missing, interrupted, incomplete or from another lock file', async (t) => {
  const folder = await temporaryFolder(t);
  const packages = {
    '': { name: 'x' },
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/only-on-a-mac': { version: '1.0.0', optional: true },
  };
  await write(folder, { 'package-lock.json': { packages } });
  assert.equal(whyInstall(folder), 'node_modules is missing');

  await write(folder, { 'node_modules/a/package.json': {} });
  assert.equal(whyInstall(folder), 'an earlier install was interrupted');

  const record = { packages: { 'node_modules/a': { version: '0.9.0', integrity: 'sha512-old' } } };
  await write(folder, { 'node_modules/.package-lock.json': record });
  assert.equal(whyInstall(folder), 'a is not the version in package-lock.json');

  await write(folder, { 'node_modules/.package-lock.json': { packages } });
  assert.equal(whyInstall(folder), undefined, 'a complete `npm ci` by hand is accepted');

  await unlink(join(folder, 'node_modules/a/package.json'));
  assert.equal(whyInstall(folder), 'a is missing');
  await write(folder, { 'node_modules/a/package.json': {} });
  assert.equal(whyInstall(folder), undefined);

  await write(folder, { 'package-lock.json': { packages, changed: true } });
  assert.equal(whyInstall(folder), 'package-lock.json has changed');
});

async function buildable(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    rootDir: '.',
    outDir: 'dist',
    types: [],
    skipLibCheck: true,
  };
  await write(folder, {
    'package.json': { type: 'module' },
    'package-lock.json': {},
    'tsconfig.json': {
      compilerOptions: { ...compilerOptions, incremental: true, tsBuildInfoFile: 'dist/.tsbuildinfo' },
      include: ['service/**/*.ts', 'models/**/*.ts'],
    },
    'service/src/a.ts': 'export const a = 1;\n',
    'service/test/b.test.ts': 'export const b = 1;\n',
    'models/m.ts': 'export const m = 1;\n',
    'service/setup/bootstrap/bundle.mjs': '',
    ...Object.fromEntries(Object.values(PROGRAMS).map((source) => [source, 'export const program = 1;\n'])),
  });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('the build is repeated when a source changes or an output is gone, and not when only a date differs', async (t) => {
  const folder = await buildable(t);
  const build = () => ensureBuild({ root: folder, acquireLock });
  assert.equal(isBuilt(folder), false);
  await build();
  assert.equal(isBuilt(folder), true);
  await utimes(join(folder, 'service/src/a.ts'), new Date(), new Date());
  assert.equal(isBuilt(folder), true);

  await write(folder, { 'service/src/a.ts': 'export const a = 2;\n' });
  assert.equal(isBuilt(folder), false);
  await build();
  assert.match(await readFile(join(folder, 'dist/service/src/a.js'), 'utf8'), /a = 2/);

  await unlink(join(folder, 'dist/models/m.js'));
  assert.equal(isBuilt(folder), false);
  await build();
  assert.match(await readFile(join(folder, 'dist/models/m.js'), 'utf8'), /m = 1/);

  await unlink(join(folder, 'dist/bundle/server.js'));
  assert.equal(isBuilt(folder), false);
  await build();
  assert.match(await readFile(join(folder, 'dist/bundle/server.js'), 'utf8'), /program/);

  await rm(join(folder, 'service/test/b.test.ts'));
  await build();
  await assert.rejects(readFile(join(folder, 'dist/service/test/b.test.js')), { code: 'ENOENT' });
});

test('a build that fails says so in one line with the first error, and is not taken for done', async (t) => {
  const folder = await buildable(t);
  await write(folder, { 'service/src/a.ts': 'export const a: string = 1;\n' });
  await assert.rejects(
    ensureBuild({ root: folder, acquireLock }),
    /^Error: the build failed: service\/src\/a\.ts\(1,14\): error TS2322: .*`npm run build` shows everything$/,
  );
  assert.equal(isBuilt(folder), false);
});

test("npm's failures become one line with what to do", () => {
  const lines: Array<[string, RegExp]> = [
    ['npm error code ENOTFOUND\nnpm error network request failed', /cannot reach its registry/],
    ['npm error code ENOSPC', /disk is full/],
    ['npm error code EACCES', /permissions/],
    ['npm error code EINTEGRITY', /hash in package-lock\.json/],
    ['npm error code EUSAGE\nnpm error `npm ci` can only install', /npm install/],
    ['npm warn old\nnpm error something else', /npm ci failed \(something else\)/],
  ];
  for (const [output, expected] of lines) {
    assert.match(explain(output), expected);
    assert.doesNotMatch(explain(output), /\n/);
  }
});

test('bootstrap and the build agree on the cache folder', async () => {
  const twin = await bootstrapModule<{ cacheFolder: typeof cacheFolder }>('cache-folder.mjs');
  for (const environment of [
    {},
    { CACHE_DIR: '' },
    { CACHE_DIR: '/x/y' },
    { CACHE_DIR: 'relative' },
    { XDG_CACHE_HOME: '/xdg' },
  ]) {
    assert.equal(twin.cacheFolder(environment), cacheFolder(environment));
  }
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/xdg' }), '/xdg/ml-serverless');
});

test('--help names the options at once, and only settings that exist', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(root, 'service/setup/bootstrap.mjs'),
    'start',
    '--help',
  ]);
  for (const option of ['--help', '--copy', 'setup']) assert.ok(stdout.includes(option), option);
  const named = [...stdout.matchAll(/^ {2}([A-Z][A-Z_]+(?:, [A-Z_]+)*)\b/gm)].flatMap((each) =>
    (each[1] ?? '').split(', '),
  );
  assert.ok(named.includes('CACHE_DIR') && named.includes('PORT') && named.includes('HOST'));
  for (const name of named) assert.ok(name === 'NO_COLOR' || name in configSchema.properties, name);
});
