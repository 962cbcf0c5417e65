import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { MAX_PART_BYTES, MAX_PART_FILES, splitUpload } from '../../src/cli/commands/batch/upload.ts';
import { idleQueue, picture, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { type ServerProcess, spawnServer } from '../helpers/server-process.ts';
import { startApp } from '../helpers/test-app.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';
import { CLI, jsonLines, runCli, runOnTerminal, startCli, terminalMissing } from './run-cli.ts';

describe('batch, against a real server with real workers', () => {
  let tiny: TinyModel;
  let server: ServerProcess;
  let folder: string;
  let env: Readonly<Record<string, string>>;

  before(async () => {
    tiny = await makeTinyModel();
    folder = await mkdtemp(join(tmpdir(), 'cli-batch-'));
    const store = join(folder, 'store');
    await mkdir(join(store, 'input', 'a'), { recursive: true });
    await mkdir(join(folder, 'photos', 'sub'), { recursive: true });
    for (let n = 0; n < 6; n++) {
      await writeFile(join(store, 'input', 'a', `${n}.png`), await picture(n));
      await writeFile(join(folder, 'photos', `p"${n}, é.png`), await picture(n));
    }
    await writeFile(join(folder, 'photos', 'sub', 'bad.png'), 'not a picture');
    server = spawnServer({ ...tiny.env, STORE: `file:${store}`, DROP: 'off' });
    env = { ML_SERVERLESS_URL: await server.url };
  });
  after(async () => {
    server?.child.kill('SIGTERM');
    await server?.exit;
    await tiny.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a prefix: submit --watch exits with 0 if every input succeeded', async () => {
    const { status, stdout, stderr } = await runCli(['batch', 'submit', 'input/a/', '--watch'], { env });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^ {2}job +status +done +of +failed +took +submitted\n {2}\S+ +SUCCEEDED +6 +6 +0 /);
    assert.match(stderr, /results: ml-serverless batch results \S+\n$/);
  });

  test('uploaded files keep their path from the named folder on', async () => {
    const folders = join(folder, 'twins');
    for (const [n, name] of ['one', 'two'].entries()) {
      await mkdir(join(folders, name), { recursive: true });
      await writeFile(join(folders, name, 'same.png'), await picture(n));
    }
    const named = join(folders, 'two', 'same.png');
    const inputs = [folders, named, `${join(folders, 'one')}/`];
    const run = await runCli(['batch', 'submit', ...inputs, '--json', '--watch'], { env });
    assert.equal(run.status, 0, run.stderr);
    const jobId = jsonLines(run.stdout).at(-1)?.jobId as unknown as string;
    const rows = jsonLines((await runCli(['batch', 'results', jobId], { env })).stdout);
    const keys = rows.map(({ key }) =>
      (key as unknown as string).replace(/^jobs\/[^/]+\/uploads\/[0-9a-f]{16}\//, ''),
    );
    assert.deepEqual(keys.sort(), ['one/same.png', 'same.png', 'twins/one/same.png', 'twins/two/same.png']);
  });

  test('keys of the store, and a pattern of them, are submitted as objects', async () => {
    const submit = async (...inputs: string[]) => {
      const run = await runCli(['batch', 'submit', ...inputs, '--json', '--watch'], { env });
      assert.equal(run.status, 0, run.stderr);
      return jsonLines(run.stdout).at(-1)?.counts as unknown as { total: number };
    };
    assert.equal((await submit('input/a/1.png', 'input/a/2.png')).total, 2);
    assert.equal((await submit('input/a/1.p*')).total, 1);
  });

  test('--results rows makes one file; results --format prints Parquet into a file, and CSV', async () => {
    const inputs = ['submit', 'input/a/', '--results', 'rows', '--json', '--watch'];
    const run = await runCli(['batch', ...inputs], { env });
    assert.equal(run.status, 0, run.stderr);
    const jobId = jsonLines(run.stdout).at(-1)?.jobId as unknown as string;
    await access(join(folder, 'store', 'jobs', jobId, 'results.jsonl.gz'));
    const csv = await runCli(['batch', 'results', jobId, '--format', 'csv'], { env });
    assert.deepEqual(csv, await runCli(['batch', 'results', jobId, '--csv'], { env }));
    assert.equal(parse(csv.stdout, { columns: true }).length, 6);
    const file = join(folder, 'results.parquet');
    const parquet = ['batch', 'results', jobId, '--format', 'parquet'];
    const command = ['-c', 'exec "$0" "$@" > "$OUT"', process.execPath, CLI, ...parquet];
    execFileSync('sh', command, { env: { ...process.env, ...env, OUT: file } });
    const stored = join(folder, 'store', 'jobs', jobId, 'parquet', 'results.parquet');
    assert.deepEqual(await readFile(file), await readFile(stored));
    for (const [options, message] of [
      [['--failed'], /--failed is for jsonl and csv/],
      [['another'], /no job "another"|JOB_NOT_FOUND/],
    ] as const) {
      const refused = await runCli([...parquet, ...options], { env });
      assert.notEqual(refused.status, 0);
      assert.match(refused.stderr, message);
    }
  });

  test('a local folder is uploaded; a damaged file is a row, and the status is 1', async () => {
    const submitted = await runCli(['batch', 'submit', join(folder, 'photos'), '-k', '2', '--json'], { env });
    assert.equal(submitted.status, 0, submitted.stderr);
    const [job] = jsonLines(submitted.stdout);
    const jobId = job?.jobId as unknown as string;
    const watched = await runCli(['batch', 'watch', jobId, '--json'], { env });
    assert.equal(watched.status, 1);
    const last = jsonLines(watched.stdout).at(-1);
    assert.equal(last?.status, 'PARTIAL');
    assert.deepEqual(last?.counts, { total: 7, succeeded: 6, failed: 1, pending: 0 });

    const results = await runCli(['batch', 'results', jobId], { env });
    assert.equal(results.status, 0);
    const rows = jsonLines(results.stdout);
    assert.equal(rows.length, 7);
    assert.ok(
      rows.every(({ predictions, error }) => error || (predictions as unknown as unknown[]).length === 2),
    );

    const failed = jsonLines((await runCli(['batch', 'results', jobId, '--failed'], { env })).stdout);
    assert.deepEqual(
      failed.map(({ error }) => (error as unknown as { code: string }).code),
      ['UNREADABLE_IMAGE'],
    );
    const csv = await runCli(['batch', 'results', jobId, '--csv'], { env });
    const table = parse(csv.stdout, { columns: true }) as Record<string, string>[];
    assert.deepEqual(
      table.map(({ key }) => key),
      rows.map(({ key }) => key),
    );
    assert.equal(table.filter(({ error_code }) => error_code === 'UNREADABLE_IMAGE').length, 1);
    const served = await fetch(`${env.ML_SERVERLESS_URL}/batch/${jobId}/results?format=csv`);
    assert.equal(await served.text(), csv.stdout, 'the service and the command write the same CSV');
  });

  test('the same idempotency key creates one job', async () => {
    const submit = async () => {
      const args = ['batch', 'submit', 'input/a/', '--idempotency-key', 'once', '--json'];
      return jsonLines((await runCli(args, { env })).stdout)[0]?.jobId;
    };
    const first = await submit();
    assert.ok(first);
    assert.equal(await submit(), first);
  });

  test('a missing file is reported and skipped; without any file the status is 2', async () => {
    const paths = [join(folder, 'gone.png'), join(folder, 'photos', 'p"0, é.png')];
    const some = await runCli(['batch', 'submit', ...paths, '--json'], { env });
    assert.equal(some.status, 1);
    assert.match(some.stderr, /FILE_NOT_READABLE .*gone\.png: no such file/);
    assert.equal(jsonLines(some.stdout).length, 1);
    const none = await runCli(['batch', 'submit', paths[0] as string], { env });
    assert.equal(none.status, 2);
  });

  test('an empty prefix and an unknown job: status 4 and one line', async () => {
    const empty = await runCli(['batch', 'submit', 'input/none/'], { env });
    assert.equal(empty.status, 4);
    assert.match(empty.stderr, /^error: [^\n]+\[INVALID_REQUEST\]\n$/);
    for (const command of ['watch', 'results', 'cancel']) {
      const { status, stdout, stderr } = await runCli(['batch', command, 'nope'], { env });
      assert.equal(status, 4);
      assert.equal(stdout, '');
      assert.match(stderr, /^error: [^\n]+\[JOB_NOT_FOUND\]\n$/);
    }
  });

  test('list shows the newest jobs first, up to --limit', async () => {
    const json = jsonLines((await runCli(['batch', 'list', '--json', '-n', '100'], { env })).stdout);
    assert.ok(json.length >= 4);
    const times = json.map(({ createdAt }) => createdAt as unknown as string);
    assert.deepEqual(times, times.toSorted().reverse());
    const { stdout, stderr } = await runCli(['batch', 'list', '-n', '2'], { env });
    assert.equal(stdout.trimEnd().split('\n').length, 1 + 2);
    assert.match(stderr, /more jobs exist/);
  });

  test('Ctrl-C stops watching, not the job; cancel ends it, and watch then exits with 1', async () => {
    const many = join(folder, 'many');
    await mkdir(many);
    for (let n = 0; n < 400; n++) await writeFile(join(many, `${n}.png`), await picture(n));
    const submitted = await runCli(['batch', 'submit', many, '--json'], { env });
    const jobId = jsonLines(submitted.stdout)[0]?.jobId as unknown as string;
    const watching = startCli(['batch', 'watch', jobId, '--json'], { env });
    await until('output of the watching command', watching.stdout);
    watching.kill('SIGINT');
    const { status, stderr } = await watching.ended;
    assert.equal(status, 130, stderr);
    assert.ok(stderr.includes(`to watch it again: ml-serverless batch watch ${jobId}`), stderr);
    const cancelled = await runCli(['batch', 'cancel', jobId, '--json'], { env });
    assert.equal(cancelled.status, 0, cancelled.stderr);
    assert.equal(jsonLines(cancelled.stdout)[0]?.status, 'CANCELLED');
    assert.equal((await runCli(['batch', 'watch', jobId], { env })).status, 1);
  });

  test('as an npm script, hints are lines to type', async () => {
    const npm = { npm_lifecycle_event: 'batch', INIT_CWD: folder };
    const { status, stderr } = await runCli(['batch', 'submit', 'photos'], { env: { ...env, ...npm } });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /to watch it: npm run -s batch -- watch \S+\n$/);
  });

  test('on a terminal, watching shows a bar with counts', { skip: terminalMissing }, async () => {
    const screen = await runOnTerminal(['batch', 'submit', 'input/a/', '--watch'], env);
    assert.match(screen, /classifying [^\n]*\d of 6/);
    assert.match(screen, /\u001b\[32mSUCCEEDED/);
  });
});

describe('batch submit to a service with a small form limit, as on Lambda', () => {
  test('uploads in parts below the limit, one job each, and loses no file', async () => {
    const store = await tempStore();
    const models = createGatedModels();
    const batch = tempBatch(store, idleQueue());
    const server = await startApp({ models, objects: store, batch, config: { maxFormBytes: 3000 } });
    const folder = await mkdtemp(join(tmpdir(), 'cli-parts-'));
    try {
      const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}.jpg`);
      for (const name of names) await writeFile(join(folder, name), Buffer.alloc(900));
      const run = await runCli(['batch', 'submit', folder, '--json', '--url', server.url]);
      assert.equal(run.status, 0, run.stderr);
      const jobs = jsonLines(run.stdout) as unknown as { counts: { total: number } }[];
      assert.deepEqual(
        jobs.map(({ counts }) => counts.total),
        [2, 2, 1],
      );
    } finally {
      await server.close();
      await batch.close();
      await models.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('parts of a batch', () => {
  test('an upload is split by files and by bytes, in order, and no file is lost', () => {
    const file = (n: number, bytes: number) => ({ name: `${n}`, path: `/${n}`, bytes, relative: `${n}` });
    const many = Array.from({ length: 2500 }, (_, n) => file(n, 10));
    assert.deepEqual(
      splitUpload(many).map((part) => part.length),
      [MAX_PART_FILES, MAX_PART_FILES, 500],
    );
    assert.deepEqual(splitUpload(many).flat(), many);
    const large = [file(0, MAX_PART_BYTES - 1), file(1, 2), file(2, MAX_PART_BYTES * 2), file(3, 1)];
    assert.deepEqual(
      splitUpload(large).map((part) => part.map(({ name }) => name)),
      [['0'], ['1'], ['2'], ['3']],
    );
  });
});
