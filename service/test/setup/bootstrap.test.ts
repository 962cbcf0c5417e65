import assert from 'node:assert/strict';
import { mkdir, readFile, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { execa } from 'execa';
import { cacheFolder, createFolder } from '../../../models/cache-folder.mjs';
import { ensureBuild, isBuilt } from '../../setup/bootstrap/build.mjs';
import { PROGRAMS } from '../../setup/bootstrap/bundle.mjs';
import { explain, whyInstall } from '../../setup/bootstrap/dependencies.mjs';
import { configSchema } from '../../src/config/settings.ts';
import { root, temporaryFolder } from './support/folders.ts';

const bootstrap = (args: readonly string[], env = {}) =>
  execa(process.execPath, [join(root, 'service/setup/bootstrap.mjs'), ...args], {
    env: { NO_COLOR: '1', ...env },
    reject: false,
    timeout: 30_000,
  });

async function write(folder: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

test('npm ci runs if node_modules is missing, interrupted, incomplete or of another lock file', async (t) => {
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

  const newer = { ...packages, 'node_modules/a': { version: '1.0.1', integrity: 'sha512-b' } };
  await write(folder, { 'package-lock.json': { packages: newer } });
  assert.equal(whyInstall(folder), 'a is not the version in package-lock.json');
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
    ...Object.fromEntries(Object.values(PROGRAMS).map((source) => [source, 'export const program = 1;\n'])),
  });
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('the build is repeated when a source changes or an output is gone, and not when only a date differs', async (t) => {
  const folder = await buildable(t);
  const build = () => ensureBuild(folder);
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
    ensureBuild(folder),
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

test('the cache directory is CACHE_DIR, else in XDG_CACHE_HOME, else in ~/.cache', () => {
  assert.equal(cacheFolder({ CACHE_DIR: '/x/y', XDG_CACHE_HOME: '/xdg' }), '/x/y');
  assert.equal(cacheFolder({ CACHE_DIR: 'relative' }), resolve('relative'));
  assert.equal(cacheFolder({ CACHE_DIR: '', XDG_CACHE_HOME: '/xdg' }), '/xdg/ml-serverless');
  assert.equal(cacheFolder({}), join(homedir(), '.cache', 'ml-serverless'));
});

test('a cache directory that cannot be created is reported at once', {
  skip: process.platform === 'linux' ? false : 'needs /proc',
}, async (t) => {
  const folder = await temporaryFolder(t);
  createFolder(join(folder, 'a', 'b'));
  createFolder(join(folder, 'a', 'b'));
  await write(folder, { file: '' });
  for (const [cacheDir, code] of [
    ['/proc/x/y', 'ENOENT'],
    [join(folder, 'file'), 'EEXIST'],
    [join(folder, 'file', 'x'), 'ENOTDIR'],
  ]) {
    const { exitCode, stderr } = await bootstrap(['setup'], { CACHE_DIR: cacheDir });
    assert.equal(exitCode, 1);
    assert.equal(
      stderr,
      `error: cannot create the cache directory ${cacheDir} (${code}): set CACHE_DIR to a directory that you can write to`,
    );
  }
});

/** Set-up would stop at once with this. */
const NO_SETUP = { CACHE_DIR: '/dev/null/x', ENGINE: 'none' };

test('--help and --version of every command run no set-up', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  for (const command of [
    ['start'],
    ['test'],
    ['setup'],
    ['calibrate'],
    ['cli', 'classify'],
    ['cli', 'batch'],
  ]) {
    const help = await bootstrap([...command, '--help'], NO_SETUP);
    assert.equal(help.exitCode, 0, help.stderr);
    assert.match(help.stdout, command[0] === 'cli' ? new RegExp(`^Usage: .*${command[1]}`) : /usage|prepare/);
    assert.equal(help.stderr, '');
    assert.deepEqual((await bootstrap([...command, '--version'], NO_SETUP)).stdout, version);
  }
  assert.equal((await bootstrap(['setup'], NO_SETUP)).exitCode, 1);
});

test('--help names the options, and only settings that exist', async () => {
  const { stdout } = await bootstrap(['start', '--help'], NO_SETUP);
  for (const option of ['--help', '--copy', 'setup']) assert.ok(stdout.includes(option), option);
  const named = [...stdout.matchAll(/^ {2}([A-Z][A-Z_]+(?:, [A-Z_]+)*)\b/gm)].flatMap((each) =>
    (each[1] ?? '').split(', '),
  );
  assert.ok(named.includes('CACHE_DIR') && named.includes('PORT') && named.includes('HOST'));
  for (const name of named) assert.ok(name === 'NO_COLOR' || name in configSchema.properties, name);
});
