import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { acquireLock } from '../../setup/bootstrap/lock.mjs';
import { root, temporaryFolder } from './support/folders.ts';

const lockUrl = JSON.stringify(join(root, 'service', 'setup', 'bootstrap', 'lock.mjs'));

/** A process that runs `script` with `acquireLock`; killed after the test at the latest. */
function node(t: TestContext, script: string, ...args: string[]) {
  const code = `import { appendFileSync } from 'node:fs'; import { acquireLock } from ${lockUrl};\n${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

test('two processes at once hold the lock one after the other', async (t) => {
  const folder = await temporaryFolder(t);
  const log = join(folder, 'log');
  await writeFile(log, '');
  const script = `const [file, log] = process.argv.slice(1);
    for (let i = 0; i < 20; i += 1) {
      const lock = await acquireLock(file);
      appendFileSync(log, 'in ' + process.pid + '\\n');
      await new Promise((r) => setTimeout(r, 1));
      appendFileSync(log, 'out ' + process.pid + '\\n');
      lock.release();
    }`;
  const children = [0, 1, 2].map(() => node(t, script, join(folder, 'lock'), log));
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
  assert.deepEqual(codes, [0, 0, 0]);
  const lines = (await readFile(log, 'utf8')).trim().split('\n');
  assert.equal(lines.length, 120);
  for (let i = 0; i < lines.length; i += 2) {
    assert.equal(lines[i]?.replace('in', 'out'), lines[i + 1], 'one leaves before the next enters');
  }
});

test('the lock of a process that was killed is taken over', async (t) => {
  const file = join(await temporaryFolder(t), 'lock');
  const script = 'await acquireLock(process.argv[1]); console.log("held"); setInterval(() => {}, 1000);';
  const holder = node(t, script, file);
  await once(holder.stdout, 'data');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const lock = await acquireLock(file);
  assert.equal(JSON.parse(await readFile(file, 'utf8')).pid, process.pid);
  lock.release();
});

test('a killed holder keeps the lock while a child process that it adopted still works', async (t) => {
  const file = join(await temporaryFolder(t), 'lock');
  const orphan = node(t, 'console.log("up"); setInterval(() => {}, 1000);');
  await once(orphan.stdout, 'data');
  const script = `const lock = await acquireLock(process.argv[1]); lock.adopt(Number(process.argv[2]));
    console.log('held'); setInterval(() => {}, 1000);`;
  const holder = node(t, script, file, String(orphan.pid));
  await once(holder.stdout, 'data');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const waited: number[] = [];
  const acquiring = acquireLock(file, {
    onWait: ({ pid }) => {
      waited.push(pid);
      orphan.kill('SIGKILL');
    },
  });
  (await acquiring).release();
  assert.deepEqual(waited, [holder.pid]);
});

test('a damaged lock file is replaced', async (t) => {
  const file = join(await temporaryFolder(t), 'lock');
  await writeFile(file, '{"pid":');
  (await acquireLock(file)).release();
  await assert.rejects(readFile(file), { code: 'ENOENT' });
});
