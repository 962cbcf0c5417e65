import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type GoldenRow, goldenRows, onnxMissing } from '../helpers/example-models.ts';
import { fromRoot } from '../helpers/root.ts';
import { until } from '../helpers/until.ts';

/** SageMaker's side of its container contract, as its documentation has it: start, ping, invoke, transform. */
describe('the container as SageMaker runs it', { skip: onnxMissing }, () => {
  let folder: string;
  let child: ChildProcess;
  let url: string;
  let output = '';
  let golden: GoldenRow[];

  before(async () => {
    golden = await goldenRows('sklearn-diabetes');
    // What SageMaker unpacks model.tar.gz to. In a container it is /opt/ml/model.
    folder = await mkdtemp(join(tmpdir(), 'sagemaker-'));
    await cp(fromRoot('models', 'examples', 'sklearn-diabetes'), join(folder, 'model'), { recursive: true });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const { PATH, CACHE_DIR } = process.env;
    child = spawn(process.execPath, ['--enable-source-maps', fromRoot('dist/bundle/server.js'), 'serve'], {
      cwd: folder,
      env: {
        PATH,
        ...(CACHE_DIR ? { CACHE_DIR } : {}),
        HOST: '127.0.0.1',
        SM_MODEL_DIR: join(folder, 'model'),
        SAGEMAKER_BIND_TO_PORT: String(port),
        SAGEMAKER_BATCH: 'true',
        SAGEMAKER_BATCH_STRATEGY: 'MULTI_RECORD',
        SAGEMAKER_MAX_PAYLOAD_IN_MB: '6',
        SAGEMAKER_MAX_CONCURRENT_TRANSFORMS: '1',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
    await pingUntilReady();
  });
  after(async () => {
    if (child?.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** SageMaker pings until 200, for a few minutes at most; anything else means: not yet. */
  async function pingUntilReady(): Promise<void> {
    const status = await until('readiness', async () => {
      if (child.exitCode !== null || child.signalCode !== null) return 'ended';
      const response = await fetch(`${url}/ping`);
      await response.arrayBuffer();
      return response.status !== 503 && response.status;
    });
    assert.equal(status, 200, output);
  }

  const invoke = (body: string, contentType: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/invocations`, {
      method: 'POST',
      body,
      headers: { 'content-type': contentType, ...headers },
    });

  /**
   * A batch transform of one object: SplitType Line, AssembleWith Line.
   *
   * @returns the .out object
   */
  async function transform(
    object: string,
    contentType: string,
    options: { readonly recordsPerRequest: number; readonly accept?: string },
  ): Promise<string> {
    const records = object.trimEnd().split('\n');
    let out = '';
    for (let from = 0; from < records.length; from += options.recordsPerRequest) {
      const batch = records.slice(from, from + options.recordsPerRequest).join('\n');
      const response = await invoke(batch, contentType, options.accept ? { accept: options.accept } : {});
      assert.equal(response.status, 200, await response.clone().text());
      out += `${await response.text()}\n`;
    }
    return out;
  }

  const rows = () => golden.map(({ row }) => Object.values(row).join(','));

  test('the artefact in the model folder is served, in place of the built-in model', async () => {
    const { models } = (await (await fetch(`${url}/models`)).json()) as { models: { name: string }[] };
    assert.deepEqual(
      models.map(({ name }) => name),
      ['sklearn-diabetes'],
    );
  });

  test('execution parameters are within what SageMaker allows', async () => {
    const response = await fetch(`${url}/execution-parameters`);
    assert.equal(response.status, 200);
    const { MaxConcurrentTransforms, BatchStrategy, MaxPayloadInMB } = (await response.json()) as {
      MaxConcurrentTransforms: number;
      BatchStrategy: string;
      MaxPayloadInMB: number;
    };
    assert.equal(BatchStrategy, 'MULTI_RECORD');
    assert.ok(MaxPayloadInMB >= 1 && MaxConcurrentTransforms >= 1);
    assert.ok(MaxPayloadInMB * MaxConcurrentTransforms <= 100);
  });

  for (const [strategy, recordsPerRequest] of [
    ['MultiRecord', 7],
    ['SingleRecord', 1],
  ] as const) {
    test(`batch transform of CSV, ${strategy}: the .out joins its input line by line`, async () => {
      const out = await transform(`${rows().join('\n')}\n`, 'text/csv', { recordsPerRequest });
      const values = out.trimEnd().split('\n').map(Number);
      assert.equal(values.length, golden.length);
      for (const [index, { value = 0 }] of golden.entries()) {
        assert.ok(Math.abs((values[index] ?? 0) - value) <= 1e-5 * value, `line ${index + 1}`);
      }
    });
  }

  test('batch transform of JSON Lines: a bad record is an error in its own line, the others are answered', async () => {
    const records = golden.map(({ row }) => JSON.stringify(row));
    records[3] = '{"age": "old"}';
    records[5] = 'not json';
    const out = await transform(records.join('\n'), 'application/jsonlines', { recordsPerRequest: 20 });
    const answers = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(answers.length, golden.length);
    for (const [index, answer] of answers.entries()) {
      const failed = index === 3 || index === 5;
      assert.equal('error' in answer, failed, JSON.stringify(answer));
      if (failed) assert.equal(answer.error.code, 'INVALID_REQUEST');
      else assert.ok(Math.abs(answer.value - (golden[index]?.value ?? 0)) < 1e-2);
    }
  });

  test('the answer is what Accept asks for, and its type says so', async () => {
    const body = rows().slice(0, 2).join('\n');
    for (const [accept, type, lines] of [
      [undefined, 'text/csv', 2],
      ['*/*', 'text/csv', 2],
      ['application/jsonlines', 'application/jsonlines', 2],
      ['application/json', 'application/json', 1],
    ] as const) {
      const response = await invoke(body, 'text/csv', accept ? { accept } : {});
      assert.equal(response.status, 200);
      assert.equal((response.headers.get('content-type') ?? '').split(';')[0], type, accept);
      assert.equal((await response.text()).split('\n').length, lines, accept);
    }
    const refused = await invoke(body, 'text/csv', { accept: 'image/png' });
    assert.equal(refused.status, 415);
  });

  test('a real-time request as JSON is answered as POST /predict answers it', async () => {
    const body = JSON.stringify({ instances: [golden[0]?.row] });
    const [invoked, predicted] = await Promise.all(
      ['/invocations', '/predict'].map(async (path) => {
        const response = await fetch(url + path, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json' },
        });
        return ((await response.json()) as { predictions: unknown }).predictions;
      }),
    );
    assert.deepEqual(invoked, predicted);
  });

  test('bad requests get 4xx, never 5xx: SageMaker takes 5xx for a fault of the container', async () => {
    for (const [body, type, status] of [
      ['1,2,3', 'text/csv', 400],
      ['{"instances": [[1]]}', 'application/json', 400],
      ['', 'application/jsonlines', 400],
      ['hello', 'text/plain', 415],
      ['x', 'application/x-image', 415],
    ] as const) {
      const response = await invoke(body, type);
      assert.equal(response.status, status, `${type}: ${await response.text()}`);
    }
  });

  test('the artefact is the default model of batch jobs and of dropped files too', async () => {
    await writeFile(join(folder, 'data', 'input', 'rows.csv'), `${rows().join('\n')}\n`);
    const body = JSON.stringify({ objects: ['input/rows.csv'] });
    const headers = { 'content-type': 'application/json' };
    const submitted = await fetch(`${url}/batch`, { method: 'POST', body, headers });
    assert.equal(submitted.status, 202, await submitted.clone().text());
    const { jobId } = (await submitted.json()) as { jobId: string };
    for (const file of [`jobs/${jobId}/results/00000-0000.jsonl`, 'output/rows.csv.json']) {
      const { model, predictions } = JSON.parse(await untilThere(join(folder, 'data', file)));
      assert.equal(model, 'sklearn-diabetes', file);
      assert.equal(predictions.length, golden.length, file);
    }
  });

  test('it ends within 30 s of SIGTERM, with status 0', async () => {
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0, output);
  });
});

/** The content of a file that is about to be written. */
const untilThere = (file: string): Promise<string> =>
  until(`content of ${file}`, () => readFile(file, 'utf8'));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
