import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { describeFailure, isFatal, SetupError } from '../../setup/failure.ts';
import { variantsFor } from '../../setup/model/model.ts';
import { findModels } from '../../setup/prepare.ts';
import { formatAmount, formatEta } from '../../setup/progress.mjs';
import { runCommand } from '../../setup/run-command.ts';
import { findTestFiles } from '../../setup/test-files.ts';
import { root, temporaryFolder } from './support/folders.ts';

test('tests are an explicit list of files, and finding none is a failure', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(findTestFiles(folder, [], false), /no test files in dist: nothing was tested/);
  for (const path of [
    'service/test/a.test.js',
    'service/test/deep/b.test.js',
    'models/c.test.js',
    'models/kill.slow.test.js',
    'infra/d.js',
  ]) {
    await mkdir(join(folder, 'dist', path, '..'), { recursive: true });
    await writeFile(join(folder, 'dist', path), '');
  }
  const names = async (filters: string[], all = false) =>
    (await findTestFiles(folder, filters, all)).files.map((file) => relative(join(folder, 'dist'), file));
  assert.deepEqual(await names([]), [
    'models/c.test.js',
    'service/test/a.test.js',
    'service/test/deep/b.test.js',
  ]);
  assert.deepEqual(await names(['deep', 'models/c.test.ts']), [
    'models/c.test.js',
    'service/test/deep/b.test.js',
  ]);
  assert.equal((await findTestFiles(folder, [], false)).slow, 1);
  assert.deepEqual(await names(['models'], true), ['models/c.test.js', 'models/kill.slow.test.js']);
  await assert.rejects(names(['nothing-like-it']), /no test file matches nothing-like-it/);
  await assert.rejects(names(['kill']), /only slow test files match: run npm run test:all -- kill$/);
});

test('a failure is one line that says what to do', () => {
  const system = (code: string) =>
    Object.assign(new Error(`${code}: system text`), { code, path: '/some/file' });
  assert.match(
    describeFailure(system('ENOSPC')),
    /^the disk is full: free about 2 GB .*ENOSPC, \/some\/file/,
  );
  assert.match(describeFailure(system('EROFS')), /set CACHE_DIR/);
  assert.match(
    describeFailure(system('ENOTFOUND'), 'downloading x'),
    /^downloading x: the network cannot be reached/,
  );
  assert.match(describeFailure(new Error('outer', { cause: system('EINTEGRITY') })), /expected hash/);
  assert.equal(describeFailure(new Error('\nfirst line\n  at stack')), 'first line');
  assert.equal(describeFailure(new SetupError('as it is')), 'as it is');
  assert.equal(isFatal(new Error('x', { cause: system('ENOSPC') })), true);
  assert.equal(isFatal(system('EINTEGRITY')), true);
  assert.equal(isFatal(system('ENOTFOUND')), false);
});

test('a failed command is reported by its most telling line, and a missing one by its name', async () => {
  const options = { env: process.env, timeoutMs: 60_000 };
  const script =
    'console.log("start"); console.error("fatal error: no header"); console.log("bye"); process.exit(3)';
  await assert.rejects(
    runCommand(process.execPath, ['-e', script], options),
    /failed \(exit 3\): fatal error: no header$/,
  );
  await assert.rejects(
    runCommand('no-such-program-here', [], options),
    /no-such-program-here is not installed/,
  );
  await assert.rejects(
    runCommand(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { ...options, timeoutMs: 300 }),
    /failed \(SIGTERM\)/,
  );
});

test('a program that is not installed does not keep the process alive until its timeout', async (t) => {
  const script = `import { runCommand } from ${JSON.stringify(join(root, 'dist/service/setup/run-command.js'))};
    await runCommand('no-such-program-here', [], { env: {}, timeoutMs: 600_000 }).catch(() => {});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  const limit = setTimeout(() => child.kill('SIGKILL'), 30_000);
  t.after(() => clearTimeout(limit));
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('a program gets the signals, and its exit status is passed on', async (t) => {
  const runNode = join(root, 'dist/service/setup/run-node.js');
  const inner =
    'process.on("SIGTERM", () => process.exit(7)); console.log("up"); setInterval(() => {}, 1000)';
  const outer = `import { runNode } from ${JSON.stringify(runNode)};
    process.exitCode = await runNode(['-e', ${JSON.stringify(inner)}], process.cwd(), process.env);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', outer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [7, null]);
});

test('progress shows amount, share and time left', () => {
  const amount = { total: 200e6, unit: 'bytes' } as const;
  assert.equal(formatAmount(50e6, amount, 10), '50.0 / 200.0 MB · 25 % · 30 s left');
  assert.equal(formatAmount(0, amount, 10), '0.0 / 200.0 MB · 0 %');
  assert.equal(formatAmount(200e6, amount, 10), '200.0 / 200.0 MB · 100 %');
  assert.equal(formatAmount(1, { total: 4, unit: 'items' }, 2), '1 of 4 · 25 % · 6 s left');
  assert.equal(formatEta(125), '2 min 5 s left');
  assert.equal(formatEta(Number.POSITIVE_INFINITY), '');
});

test('every variant is compiled on x86-64 whatever its CPU, and int8 needs ranges', async () => {
  const [resnet] = await findModels(join(root, 'models'), ['resnet50']);
  const [iris] = await findModels(join(root, 'models'), ['sklearn-iris']);
  assert.ok(resnet && iris);
  assert.deepEqual(await variantsFor(resnet, 'x64'), ['int8', 'bfloat16', 'float32', 'float32-portable']);
  assert.deepEqual(await variantsFor(resnet, 'arm64'), ['float32-portable']);
  assert.deepEqual(await variantsFor(iris, 'x64'), [], 'an ONNX model is not compiled');
  const elsewhere = { ...resnet, folder: '/nowhere' };
  assert.deepEqual(await variantsFor(elsewhere, 'x64'), ['bfloat16', 'float32', 'float32-portable']);
});

test('the models of the repository are found, and an unknown one lists them', async () => {
  const models = await findModels(join(root, 'models'), undefined);
  assert.ok(models.some(({ manifest }) => manifest.name === 'resnet50'));
  assert.equal((await findModels(join(root, 'models'), ['resnet50'])).length, 1);
  await assert.rejects(
    findModels(join(root, 'models'), ['nothing']),
    /^SetupError: unknown model "nothing"; available: resnet50, face-expression, .*sklearn-iris/,
  );
});
