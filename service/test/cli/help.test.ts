import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { EXIT } from '../../src/cli/failure.ts';
import { createProgram } from '../../src/cli/program.ts';
import { createTerminal } from '../../src/cli/ui/terminal.ts';
import { loadCliConfig } from '../../src/config/cli.ts';
import { fromRoot } from '../helpers/root.ts';
import { runCli, runOnTerminal, terminalMissing } from './run-cli.ts';

const program = createProgram({
  config: loadCliConfig({}),
  terminal: createTerminal(true),
  signal: new AbortController().signal,
  exit: () => {},
});

/** Every command as its user types it. */
function* commandLines(command: Command, words: readonly string[]): Generator<string[]> {
  yield [...words];
  for (const child of command.commands) yield* commandLines(child, [...words, child.name()]);
}

describe('the help of the command line', () => {
  const all = [...commandLines(program, [])];

  test('lists the documented commands', () => {
    const names = all.map((words) => words.join(' '));
    assert.deepEqual(names.toSorted(), [
      '',
      'batch',
      'batch cancel',
      'batch list',
      'batch results',
      'batch submit',
      'batch watch',
      'classify',
      'plan',
    ]);
  });

  for (const words of all) {
    test(`"${['ml-serverless', ...words].join(' ')} --help" has usage, examples and exit statuses`, async () => {
      const { status, stdout, stderr } = await runCli([...words, '--help']);
      assert.equal(status, 0, stderr);
      assert.match(stdout, new RegExp(`^Usage: ${['ml-serverless', ...words].join(' ')} `));
      assert.match(stdout, /\nExamples:\n {2}(curl|id=|ml-serverless|npm) ?/);
      for (const value of Object.values(EXIT)) assert.match(stdout, new RegExp(`\\b${value}\\b`));
      assert.doesNotMatch(stdout, /\u001b/, 'no colours in a pipe');
      for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `fits a terminal: ${line}`);
      assert.equal(stderr, '');
    });
  }

  test('as an npm script, help shows the lines to type', async () => {
    const env = { npm_lifecycle_event: 'batch', INIT_CWD: process.cwd() };
    const { stdout } = await runCli(['batch', 'submit', '--help'], { env });
    assert.match(stdout, /^Usage: npm run -s batch -- submit \[options\] <inputs...>$/m);
    assert.match(stdout, /^ {2}npm run -s batch -- submit photos\/ --watch {3}upload/m);
    assert.doesNotMatch(stdout, /ml-serverless batch/);
  });

  test('under npx, help shows that name', async () => {
    const { stdout } = await runCli(['--help'], { env: { npm_lifecycle_event: 'npx' } });
    assert.match(stdout, /^Usage: npx ml-serverless \[options\] \[command\]$/m);
    assert.match(stdout, /^ {2}npx ml-serverless classify cat\.jpg /m);
    assert.doesNotMatch(stdout, /(?<!npx )ml-serverless (classify|batch|plan)/);
  });

  test('the name in help is a program of this package', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'npx-'));
    const env = { ...process.env, npm_config_cache: cache };
    try {
      const args = ['--no-install', 'ml-serverless', 'classify', '--help'];
      const { stdout } = await promisify(execFile)('npx', args, { cwd: fromRoot(), env });
      assert.match(stdout, /^Usage: npx ml-serverless classify \[options\] <paths\.\.\.>$/m);
    } finally {
      await rm(cache, { recursive: true, force: true });
    }
  });

  test('on a terminal help has colours, and wrong usage a cross; NO_COLOR takes the colours away', {
    skip: terminalMissing,
  }, async () => {
    assert.match(await runOnTerminal(['--help']), /\u001b\[1mUsage:/);
    assert.doesNotMatch(await runOnTerminal(['--help'], { NO_COLOR: '1' }), /\u001b/);
    assert.match(await runOnTerminal(['clasify']), /^\u001b\[31m {2}✗\u001b\[39m unknown command 'clasify'/);
    assert.match(await runOnTerminal(['clasify'], { NO_COLOR: '1' }), /^ {2}✗ unknown command 'clasify'/);
  });

  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['--bogus'], /unknown option '--bogus'/],
    [['bogus'], /unknown command 'bogus'/],
    [['classify'], /missing required argument 'paths'/],
    [['classify', 'a.jpg', '--top-k', '0'], /whole number from 1 to 100/],
    [['classify', '-', '-'], /can be given once/],
    [['classify', 'a.jpg', '--local', '--url', 'http://localhost:1'], /--local or --url, not both/],
    [['classify', 'a.jpg', '--url', 'localhost:8080'], /http:\/\/ or https:\/\//],
    [['classify', 'a.jpg', '--url', 'http://me:secret@localhost'], /no user, query or fragment/],
    [['batch', 'watch', '../etc'], /not a job id/],
    [['batch', 'results', 'a', '--csv', '--json'], /--csv or --json, not both/],
    [['batch', 'submit', 'input/a.jpg', 'b.jpg'], /not both/],
    [['batch', 'submit', 'input/a/', 'input/b/'], /one prefix/],
    [['plan'], /required option '-n, --images <n>'/],
    [['plan', '-n', '1.5'], /whole number/],
    [['plan', '-n', '5', '--size', 'big'], /4000x3000, 12MP or 3.5MB/],
    [['plan', '-n', '5', '--size', '0MP'], /at least one pixel/],
    [['plan', '-n', '5', '--vcpu', '3'], /Allowed choices are 0.25/],
  ];
  for (const [words, message] of wrong) {
    test(`"${words.join(' ')}" is wrong usage: status 2, one line that says why, nothing on stdout`, async () => {
      const { status, stdout, stderr } = await runCli(words);
      assert.equal(status, EXIT.usage, stderr);
      assert.match(stderr, message);
      assert.equal(stdout, '');
    });
  }

  test('a wrong environment variable is named', async () => {
    const { status, stderr } = await runCli(['batch', 'list'], { env: { ML_SERVERLESS_URL: 'ftp://x' } });
    assert.equal(status, EXIT.usage);
    assert.match(stderr, /^error: ML_SERVERLESS_URL="ftp:\/\/x" [^\n]+ \[INVALID_CONFIGURATION\]\n$/);
  });
});
