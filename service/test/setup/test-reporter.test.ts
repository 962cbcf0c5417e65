import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { root, temporaryFolder } from './support/folders.ts';

const REPORTER = pathToFileURL(join(root, 'dist/service/setup/test-reporter.js')).href;
const HEADER = `import assert from 'node:assert'; import { describe, it } from 'node:test';`;

/** Runs node's test runner with the reporter on one file. */
async function run(t: TestContext, source: string, environment: Record<string, string> = {}) {
  const file = join(await temporaryFolder(t), 'some.test.mjs');
  await writeFile(file, `${HEADER}\n${source}`);
  // A runner within a runner reports to the outer one unless this is removed.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const { status, stdout } = spawnSync(process.execPath, ['--test', `--test-reporter=${REPORTER}`, file], {
    env: { ...inherited, FAIL_ON_SKIP: '', SLOW_FILES_LEFT_OUT: '0', ...environment },
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n'), text: stdout };
}

describe('the report of a test run', () => {
  test('ends with failures, what was skipped and why, and the counts', async (t) => {
    const { status, lines, text } = await run(
      t,
      `console.log('what the file wrote');
       describe('a suite', () => {
         it('passes', () => {});
         it('fails', () => assert.equal(1, 2, 'one is not two'));
         it('is skipped', { skip: 'needs a tool' }, () => {});
       });
       describe('a suite without its tool', { skip: 'needs a tool' }, () => it('is not run', () => {}));`,
    );
    assert.equal(status, 1);
    assert.match(lines[0] ?? '', /^✖ .*some\.test\.mjs {2}1 passed, 1 failed, 2 skipped \([\d.]+ s\)$/);
    assert.match(lines.at(-1) ?? '', /^1 passed, 1 failed, 2 skipped \(\d+ s\)$/);
    const [failures, skipped] = [text.indexOf('Failures:'), text.indexOf('Skipped:')];
    assert.ok(failures > 0 && skipped > failures);
    const failure = text.slice(failures, skipped);
    assert.match(failure, /1\) .*some\.test\.mjs: a suite > fails\n {3}AssertionError.*one is not two/);
    assert.match(failure, /at .*some\.test\.mjs:\d+:\d+/);
    assert.doesNotMatch(failure, /node:internal|1 subtest failed/);
    assert.match(failure, /\| what the file wrote/);
    assert.match(text.slice(skipped), /2 × needs a tool\n.*: is skipped\n.*: a suite without its tool/);
  });

  test('names a file that ends badly although its tests pass', async (t) => {
    const { status, text } = await run(
      t,
      `it('passes', () => {}); process.on('exit', () => process.exit(3));`,
    );
    assert.equal(status, 1);
    assert.match(text, /1 passed, 1 failed, 0 skipped/);
    assert.match(text, /1\) .*some\.test\.mjs: the file as a whole/);
  });

  test('a failing hook of a suite is a failure', async (t) => {
    const { status, text } = await run(
      t,
      `import { before } from 'node:test';
       describe('a suite', () => { before(() => { throw new Error('no server'); }); it('x', () => {}); });`,
    );
    assert.equal(status, 1);
    assert.match(text, /: a suite\n {3}Error: no server/);
  });

  test('a skipped test or suite fails a run of everything, and no other', async (t) => {
    const source = `it('runs', () => {}); describe('a suite', { skip: 'needs a tool' }, () => {});`;
    const everything = await run(t, source, { FAIL_ON_SKIP: '1' });
    assert.equal(everything.status, 1);
    assert.match(everything.text, /Skipped, which fails this run:\n {2}1 × needs a tool/);
    assert.match(everything.lines.at(-1) ?? '', /^1 passed, 0 failed, 1 skipped/);
    assert.equal((await run(t, source)).status, 0);
  });

  test('says how many slow files were left out', async (t) => {
    const { status, text } = await run(t, `it('runs', () => {});`, { SLOW_FILES_LEFT_OUT: '7' });
    assert.equal(status, 0);
    assert.match(text, /7 slow test files left out: npm run test:all runs them/);
    assert.doesNotMatch(text, /Failures|Skipped/);
  });
});
