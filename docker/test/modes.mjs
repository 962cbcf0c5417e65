// Every mode of the image, under a read-only root, without capabilities, as an ordinary user.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { REQUIRE } from '../../service/setup/bootstrap/bundle.mjs';
import { assert, check, until } from './harness.mjs';

/** A picture that comes with the model, and what it shows. */
const PICTURE = 'models/resnet50/samples/pumpkin.jpg';
const ANSWERS = /pumpkin|jack-o'-lantern|squash/i;

export async function testModes({ containers, root, emulator }) {
  const { docker } = containers;
  const picture = await readFile(join(root, PICTURE));
  const isRight = ({ predictions: [first] }) => {
    assert(ANSWERS.test(first.label), `the picture is called ${first.label}`);
    return `${first.label} ${first.probability.toFixed(2)}`;
  };

  await check('server: answers POST /predict, with process 1 reaping and node below it', async () => {
    const server = await containers.start('server', [], []);
    const note = isRight(await post(`${server.url}/predict`, picture));
    const [model] = (await getJson(`${server.url}/models`)).models;
    assert(model.engine === 'tensorflow', `the engine is ${model.engine}`);
    const { stdout: one } = await server.exec(['cat', '/proc/1/cmdline']);
    assert(one.startsWith('/usr/local/bin/tini\0'), `process 1 is ${one}`);
    // The inner shell dies before its child: that becomes process 1's, and would stay a zombie without somebody to wait for it.
    await server.exec(['sh', '-c', 'sh -c "sleep 0.2 & exit 0"']);
    await until(
      'the end of the orphan',
      async () => {
        const { stdout } = await server.exec([
          'sh',
          '-c',
          'cat /proc/[0-9]*/stat 2>/dev/null | cut -d" " -f2,3',
        ]);
        return !/ Z$/m.test(stdout) && !/\(sleep\)/.test(stdout);
      },
      10_000,
    );
    assert((await server.inspect('{{.Config.User}}')) === '1000:1000', 'it does not run as user 1000');
    return `${note}, ${model.precision}`;
  });

  await check('server: SIGTERM ends it in good order, exit status 0', async () => {
    const server = await containers.start('stop', [], ['server']);
    const answer = post(`${server.url}/predict`, picture);
    await answer;
    await docker(['stop', '-t', '30', server.name]);
    const status = await server.inspect('{{.State.ExitCode}}');
    const logs = await server.logs();
    assert(status === '0', `exit status ${status}: ${logs.slice(-400)}`);
    assert(logs.includes('shutting down'), 'the signal did not reach node');
  });

  await check('server: bears a memory limit of 1 GiB', async () => {
    const server = await containers.start('small', ['--memory', '1g', '--memory-swap', '1g'], []);
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => post(`${server.url}/predict`, picture)),
    );
    for (const answer of answers) isRight(answer);
    assert((await server.inspect('{{.State.OOMKilled}}')) === 'false', 'it ran out of memory');
    const { stdout } = await docker(['stats', '--no-stream', '--format', '{{.MemUsage}}', server.name]);
    return stdout.trim();
  });

  for (const precision of ['int8', 'float32']) {
    if (process.arch !== 'x64' && precision === 'int8') continue;
    await check(`server: runs ${precision} on a CPU with AVX2 only, and without oneDNN`, async () => {
      const notes = [];
      for (const setting of ['ONEDNN_MAX_CPU_ISA=AVX2', 'TF_ENABLE_ONEDNN_OPTS=0']) {
        const server = await containers.start('cpu', ['-e', `PRECISION=${precision}`, '-e', setting], []);
        notes.push(`${setting}: ${isRight(await post(`${server.url}/predict`, picture))}`);
        const [model] = (await getJson(`${server.url}/models`)).models;
        assert(
          model.engine === 'tensorflow' && model.precision === precision,
          `${setting}: it serves ${model.precision} on ${model.engine}`,
        );
        await docker(['rm', '-f', '-v', server.name]);
      }
      return notes.join(', ');
    });
  }

  await check('server: without TensorFlow it ends at start, with a line that says so', async () => {
    const hidden = '/app/node_modules/@tensorflow/tfjs-node/lib';
    const options = ['--mount', `type=tmpfs,destination=${hidden}`];
    const { stdout, stderr } = await containers.once('no-engine', options, [], { statuses: [1, 78] });
    const line = `${stdout}${stderr}`
      .split('\n')
      .find((each) => each.includes('TensorFlow is not available'));
    assert(line, `it says: ${`${stdout}${stderr}`.slice(-400)}`);
    return line.slice(0, 160);
  });

  await check('server: writes nowhere but in /tmp and /data', async () => {
    const server = await containers.start('writes', [], [], { strict: false });
    isRight(await post(`${server.url}/predict`, picture));
    const { stdout } = await docker(['diff', server.name]);
    const elsewhere = stdout.split('\n').filter((line) => line && !/^. \/(tmp|data)(\/|$)/.test(line));
    assert(elsewhere.length === 0, elsewhere.join(', '));
  });

  await check('server: any user may run it', async () => {
    const server = await containers.start('user', ['--user', '4242:4242'], []);
    return isRight(await post(`${server.url}/predict`, picture));
  });

  await check('serve: answers GET /ping and POST /invocations', async () => {
    const server = await containers.start('serve', ['-e', 'HOST=127.0.0.1'], ['serve']);
    const ping = await fetch(`${server.url}/ping`);
    assert(ping.status === 200, `/ping answers ${ping.status}`);
    return isRight(await post(`${server.url}/invocations`, picture));
  });

  await check('worker: works a shard of a job in a volume, without even /tmp', async () => {
    const volume = await containers.volume();
    const mount = ['-v', `${volume}:/data`];
    const planned = await containers.script(await bundled(PLAN_JOB, root), mount);
    const { jobUri, shards } = JSON.parse(planned);
    assert(shards === 1, `the job has ${shards} shards`);
    await containers.once('worker', [...mount, '-e', `JOB_URI=${jobUri}`], ['worker'], { tmp: false });
    const rows = JSON.parse(await containers.script(READ_RESULTS, mount));
    assert(rows.length === 3, `there are ${rows.length} results`);
    const broken = rows.find(({ key }) => key === 'input/broken.jpg');
    assert(
      broken?.error?.code === 'UNREADABLE_IMAGE',
      `the broken picture's row is ${JSON.stringify(broken)}`,
    );
    return rows
      .map(({ key, predictions, error }) => `${key} ${predictions?.[0].label ?? error.code}`)
      .join(', ');
  });

  await check('worker: a wrong setting ends it with status 78', async () => {
    const { stderr } = await containers.once('nojob', [], ['worker'], { statuses: [78] });
    return stderr.trim();
  });

  await check(
    'lambda: chosen by itself under the runtime interface emulator, answers an API Gateway event',
    async () => {
      const server = await startUnderEmulator(containers, emulator, []);
      const body = picture.toString('base64');
      const answer = await invoke(
        server,
        httpEvent('POST', '/predict', { 'content-type': 'image/jpeg' }, body),
      );
      assert(answer.statusCode === 200, `it answers ${JSON.stringify(answer).slice(0, 300)}`);
      const again = await invoke(server, httpEvent('GET', '/health/ready', {}));
      assert(again.statusCode === 200, `/health/ready answers ${again.statusCode}`);
      return isRight(JSON.parse(answer.body));
    },
  );

  await check('dispatcher: answers an event under the emulator', async () => {
    const server = await startUnderEmulator(containers, emulator, ['dispatcher']);
    const answer = await invoke(server, { Records: [] });
    assert(
      Array.isArray(answer.batchItemFailures) && answer.batchItemFailures.length === 0,
      JSON.stringify(answer),
    );
  });

  await check('lambda: says what it needs where there is no Lambda', async () => {
    const { stderr } = await containers.once('nolambda', [], ['lambda'], { statuses: [64] });
    assert(stderr.includes('emulator'), stderr);
  });

  await check('classify: a picture on stdin, without a server', async () => {
    const { stdout } = await containers.once('classify', ['-i'], ['classify', '-', '--json'], {
      input: picture,
    });
    const row = JSON.parse(stdout);
    return isRight(row.predictions ? row : row.result);
  });

  await check('an unknown mode gets the list, exit status 64', async () => {
    const { stderr } = await containers.once('unknown', [], ['sevrer'], { statuses: [64] });
    for (const mode of ['server', 'worker', 'dispatcher', 'lambda', 'serve', 'classify']) {
      assert(new RegExp(`^  ${mode} `, 'm').test(stderr), `${mode} is not in the list`);
    }
  });
}

async function post(url, picture) {
  const answer = await fetch(url, {
    method: 'POST',
    body: picture,
    headers: { 'content-type': 'image/jpeg' },
  });
  const text = await answer.text();
  assert(answer.status === 200, `${url} answers ${answer.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

const getJson = async (url) => (await fetch(url)).json();

/** The emulator takes the entrypoint's place as process 1 and starts it as Lambda does: with AWS_LAMBDA_RUNTIME_API. */
async function startUnderEmulator(containers, emulator, words) {
  const limits = [
    '-e',
    'AWS_LAMBDA_FUNCTION_TIMEOUT=60',
    '-e',
    'AWS_LAMBDA_FUNCTION_MEMORY_SIZE=3008',
    '--memory',
    '3008m',
  ];
  const mount = ['-v', `${emulator}:/emulator:ro`, '--entrypoint', '/emulator'];
  const command = ['/usr/local/bin/tini', '-s', '--', '/app/docker/entrypoint', ...words];
  const server = await containers.start('lambda', [...limits, ...mount], command, {
    healthy: false,
  });
  await until('the emulator', () => fetch(server.url).then(() => true), 30_000);
  return server;
}

async function invoke({ url, logs }, event) {
  const answer = await fetch(`${url}/2015-03-31/functions/function/invocations`, {
    method: 'POST',
    body: JSON.stringify(event),
  });
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`the emulator answers ${text.slice(0, 200)}: ${(await logs()).slice(-600)}`);
  }
}

/** An event of API Gateway's HTTP API, payload 2.0. */
const httpEvent = (method, path, headers, body) => ({
  version: '2.0',
  routeKey: '$default',
  rawPath: path,
  rawQueryString: '',
  headers,
  requestContext: {
    http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
    requestId: 'test',
    stage: '$default',
  },
  ...(body ? { body, isBase64Encoded: true } : {}),
});

/** A script with what it imports of the checkout, which the image holds in another form. */
async function bundled(contents, root) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    write: false,
  });
  return outputFiles[0].text;
}

/** Puts three inputs into the volume and plans a job over them, without starting it. */
const PLAN_JOB = `
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createBatch } from './service/src/batch/batch.ts';
import { openStore } from './service/src/storage/create-store.ts';
mkdirSync('/data/input', { recursive: true });
for (const name of ['pumpkin', 'balloon']) copyFileSync('/app/models/resnet50/samples/' + name + '.jpg', '/data/input/' + name + '.jpg');
writeFileSync('/data/input/broken.jpg', 'no picture');
let submitted;
const queue = { submit: async (job) => { submitted = job; return { reference: job.jobId }; }, status: async () => undefined, cancel: async () => {}, close: async () => {} };
const objects = await openStore('file:/data');
const batch = createBatch({ objects, queue, shardSize: 100, chunkSize: 2, startWithinMs: 60000, onError: (error) => { throw error; } });
await batch.submit({ jobId: 'image-test', origin: 'request', source: { kind: 'prefix', prefix: 'input/' }, model: 'resnet50', topK: 3 });
console.log(JSON.stringify(submitted));
process.exit();
`;

const READ_RESULTS = `
import { readdirSync, readFileSync } from 'node:fs';
const folder = '/data/output/';
console.log(JSON.stringify(readdirSync(folder).map((name) => JSON.parse(readFileSync(folder + name, 'utf8')))));
`;
