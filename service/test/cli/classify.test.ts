import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { picture, truncatedPicture } from '../helpers/pictures.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { SAMPLE_NAMES, SAMPLES, samplePath } from '../helpers/samples.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { makeTinyModel } from '../helpers/tiny-model.ts';
import { CLI, jsonLines, runCli, runOnTerminal, terminalMissing } from './run-cli.ts';

const real = await openRealModels();

describe('classify', { skip: real.missing }, () => {
  let server: TestApp;
  let folder: string;
  let env: { ML_SERVERLESS_URL: string };

  before(async () => {
    if (real.missing !== false) return;
    server = await startApp({ models: real.models });
    env = { ML_SERVERLESS_URL: server.url };
    folder = await mkdtemp(join(tmpdir(), 'cli-classify-'));
    await mkdir(join(folder, 'sub', '.hidden'), { recursive: true });
    await mkdir(join(folder, 'empty'));
    await writeFile(join(folder, 'a.jpg'), await picture());
    await writeFile(join(folder, 'no suffix'), await picture(32, 32, 'png'));
    await writeFile(join(folder, 'notes.txt'), 'not looked at in a folder');
    await writeFile(join(folder, 'sub', 'b é "1".webp'), await picture(40, 30, 'webp'));
    await writeFile(join(folder, 'sub', 'cut.PNG'), await truncatedPicture());
    await writeFile(join(folder, 'sub', '.hidden', 'c.jpg'), await picture());
    await symlink(folder, join(folder, 'sub', 'loop.jpg'));
  });
  after(async () => {
    await server?.close();
    await real.models?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('prints a table of the pictures and their labels, in the order of the arguments', async () => {
    const { status, stdout, stderr } = await runCli(['classify', ...SAMPLE_NAMES.map(samplePath)], { env });
    assert.equal(status, 0, stderr);
    const [head, ...lines] = stdout.trimEnd().split('\n');
    assert.match(head ?? '', /^ {2}file +label +probability +ms$/);
    assert.equal(lines.length, SAMPLE_NAMES.length);
    SAMPLE_NAMES.forEach((name, at) => {
      assert.match(lines[at] ?? '', new RegExp(`${name} +${SAMPLES[name]} +\\d+\\.\\d % +\\d+$`));
    });
    assert.match(stderr, /4 images · [\d.]+ s · [\d.]+\/s/);
  });

  test('one image gets five classes, or --top-k', async () => {
    const file = join(folder, 'a.jpg');
    const five = await runCli(['classify', file], { env });
    assert.equal(five.stdout.trimEnd().split('\n').length, 1 + 5);
    const two = await runCli(['classify', file, '-k', '2'], { env });
    assert.equal(two.stdout.trimEnd().split('\n').length, 1 + 2);
  });

  test('a folder is searched recursively; --json prints one line per image, in order', async () => {
    const { status, stdout } = await runCli(['classify', folder, '--json', '-k', '3'], { env });
    assert.equal(status, 1, 'one of them is damaged');
    const rows = jsonLines(stdout);
    const files = rows.map(({ file }) => file);
    assert.deepEqual(
      files,
      ['a.jpg', 'sub/b é "1".webp', 'sub/cut.PNG'].map((name) => join(folder, name)),
    );
    assert.equal((rows[0]?.predictions as unknown[] | undefined)?.length, 3);
    assert.equal(rows[0]?.model, 'resnet50');
    assert.deepEqual(Object.keys(rows[2] ?? {}), ['file', 'error']);
    assert.equal((rows[2]?.error as { code: string } | undefined)?.code, 'UNREADABLE_IMAGE');
  });

  test('failed files are rows with a code, the others are classified; status 1', async () => {
    const paths = ['gone.jpg', 'notes.txt', 'empty', 'no suffix'];
    const { status, stdout, stderr } = await runCli(['classify', ...paths], { env, cwd: folder });
    assert.equal(status, 1);
    assert.match(stdout, /gone\.jpg +FILE_NOT_READABLE +no such file or folder/);
    assert.match(stdout, /notes\.txt +UNREADABLE_IMAGE +not a JPEG/);
    assert.match(stdout, /empty +NO_IMAGES +no image in this folder/);
    assert.match(stdout, /no suffix +\S+ +\d+\.\d %/);
    assert.match(stderr, /4 images .* 3 failed/);
  });

  test('without an address, the service on PORT is used', async () => {
    const { port } = new URL(server.url);
    const run = await runCli(['classify', '--json', join(folder, 'a.jpg')], { env: { PORT: port } });
    assert.equal(run.stderr, '');
    assert.equal(jsonLines(run.stdout)[0]?.model, 'resnet50');
  });

  test('- reads one image from stdin; an empty stdin is an error', async () => {
    const good = await runCli(['classify', '-', '--json'], { env, stdin: await picture() });
    assert.equal(good.status, 0, good.stderr);
    assert.equal(jsonLines(good.stdout)[0]?.file, '-');
    const empty = await runCli(['classify', '-'], { env });
    assert.equal(empty.status, 1);
    assert.match(empty.stdout, /NO_IMAGES +stdin is empty/);
  });

  test('a file above the limit of the service is refused with its code', async () => {
    const large = await startApp({ models: real.models as never, env: { MAX_IMAGE_BYTES: '2048' } });
    try {
      const file = join(folder, 'large.bin');
      await writeFile(file, Buffer.alloc(4 * 1024 * 1024));
      const { status, stdout } = await runCli(['classify', file, '--url', large.url]);
      await rm(file);
      assert.equal(status, 1);
      assert.match(stdout, /IMAGE_TOO_LARGE/);
    } finally {
      await large.close();
    }
  });

  test('an unknown model ends the command with status 4 and one line', async () => {
    const { status, stdout, stderr } = await runCli(['classify', folder, '-m', 'nope'], { env });
    assert.equal(status, 4);
    assert.equal(stdout, '');
    assert.match(stderr, /^error: unknown model "nope"[^\n]+\[MODEL_NOT_FOUND\]\n$/);
  });

  test('a reader that stops early (| head) is no failure', async () => {
    const many = Array.from({ length: 40 }, () => join(folder, 'a.jpg'));
    const line = `set -o pipefail; "${process.execPath}" "${CLI}" classify --json ${many.map((name) => `'${name}'`).join(' ')} | head -1`;
    const { ML_SERVERLESS_API_KEY: _, ...rest } = process.env;
    const child = spawnAsync('bash', ['-c', line], { ...rest, ...env });
    const { status, stdout, stderr } = await child;
    assert.equal(status, 0, stderr);
    assert.equal(jsonLines(stdout).length, 1);
    assert.equal(stderr, '');
  });

  test('a terminal gets colours and bars; with NO_COLOR only bars', {
    skip: terminalMissing,
  }, async () => {
    const args = ['classify', join(folder, 'a.jpg'), join(folder, 'sub', 'cut.PNG')];
    const coloured = await runOnTerminal(args, env);
    assert.match(coloured, /\u001b\[31mUNREADABLE_IMAGE/);
    assert.match(coloured, /█|▏|▎|▍|▌|▋|▊|▉/);
    const plain = await runOnTerminal(args, { ...env, NO_COLOR: '1' });
    assert.match(plain, /UNREADABLE_IMAGE/);
    assert.doesNotMatch(plain, /\u001b\[\d+m/);
  });

  test('a progress bar with rate and time left appears on a terminal', {
    skip: terminalMissing,
  }, async () => {
    const many = Array.from({ length: 60 }, () => join(folder, 'a.jpg'));
    const screen = await runOnTerminal(['classify', '-c', '1', ...many], env);
    assert.match(screen, /classifying [^\n]*\d+ of 60 · [\d.]+\/s · [\d.]+ s left/);
  });
});

describe('classify in its own process', () => {
  test('--local, and no service on PORT, load the model of the environment', async () => {
    const tiny = await makeTinyModel();
    const folder = await mkdtemp(join(tmpdir(), 'cli-local-'));
    try {
      await writeFile(join(folder, 'a.jpg'), await picture());
      await writeFile(join(folder, 'b.jpg'), 'not a picture');
      const { status, stdout, stderr } = await runCli(['classify', '--local', '--json', folder], {
        env: tiny.env,
      });
      assert.equal(status, 1, stderr);
      const [good, bad] = jsonLines(stdout);
      assert.equal(good?.model, 'tiny');
      assert.equal((bad?.error as { code: string } | undefined)?.code, 'UNREADABLE_IMAGE');
      const alone = await runCli(['classify', '--json', folder], { env: { ...tiny.env, PORT: '9' } });
      assert.equal(alone.stderr, 'no service at http://localhost:9; classifying in this process\n');
      assert.deepEqual(
        jsonLines(alone.stdout).map(({ predictions }) => predictions),
        [good?.predictions, undefined],
      );
      const wrong = await runCli(['classify', '--local', '-m', 'nope', folder], { env: tiny.env });
      assert.notEqual(wrong.status, 0);
      assert.match(wrong.stderr, /^error: [^\n]+\[(MODEL_NOT_FOUND|INVALID_MODEL)\]\n$/);
    } finally {
      await tiny.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

async function spawnAsync(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const { spawn } = await import('node:child_process');
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const status = await new Promise<number | null>((done) => child.on('close', done));
  return { status, stdout, stderr };
}
