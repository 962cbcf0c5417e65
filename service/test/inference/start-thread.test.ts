import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { dropWarmThread, warmThread } from '../../src/inference/engines/thread/start.ts';
import { tensorflowMissing } from '../helpers/example-models.ts';

/** A live thread holds a message port of this process. */
const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

test('the drop of an unused warm thread resolves when the thread has ended, not earlier', async () => {
  const before = threads();
  warmThread();
  // Not awaited, as when a thread for another engine starts; the program may end while TensorFlow still loads.
  void dropWarmThread();
  assert.equal(threads(), before + 1);
  await dropWarmThread();
  assert.equal(threads(), before);
  await dropWarmThread();
});

test('TensorFlow stays in memory when its thread has ended, as threads of its own still run in it', {
  skip: process.platform === 'linux' ? tensorflowMissing : 'reads /proc',
}, async (t) => {
  const program = [
    "import { readFileSync } from 'node:fs';",
    `import { dropWarmThread, warmThread } from '${new URL('../../src/inference/engines/thread/start.js', import.meta.url)}';`,
    'warmThread();',
    'await dropWarmThread();',
    "console.log(readFileSync('/proc/self/maps', 'utf8').includes('libtensorflow_cc'));",
  ].join('\n');
  const folder = await mkdtemp(join(tmpdir(), 'thread-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'program.mjs'), program);
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'program.mjs')]);
  assert.equal(stdout.trim(), 'true');
});
