import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fromRoot } from '../helpers/root.ts';

const ENTRYPOINT = fromRoot('docker', 'entrypoint');
const HEALTHCHECK = fromRoot('docker', 'healthcheck.mjs');

/** What a program in the place of ours tells of how it was started. */
interface Started {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly pid: number;
  readonly env: Readonly<Record<string, string>>;
}

const TELL = `
const { STORE, HOST, PORT, LAMBDA_TASK_ROOT, _HANDLER } = process.env;
console.log(JSON.stringify({ program: process.argv[1], args: process.argv.slice(2), cwd: process.cwd(), pid: process.pid,
  env: { STORE, HOST, PORT, LAMBDA_TASK_ROOT, _HANDLER } }));
if (process.argv.includes('--stay')) setInterval(() => {}, 1000);
`;

describe('the entrypoint of the image', () => {
  let app: string;
  before(async () => {
    app = await mkdtemp(join(tmpdir(), 'entrypoint-'));
    await mkdir(join(app, 'dist', 'bundle'), { recursive: true });
    for (const name of ['server', 'worker', 'cli', 'lambda', 'dispatcher'])
      await writeFile(join(app, 'dist', 'bundle', `${name}.js`), TELL);
    await writeFile(join(app, 'index.mjs'), TELL);
    await mkdir(join(app, 'data'));
  });
  after(() => rm(app, { recursive: true, force: true }));

  const environment = (extra: Record<string, string>) => ({
    PATH: process.env.PATH,
    APP_DIR: app,
    RIC_DIR: app,
    DATA_DIR: join(app, 'data'),
    ...extra,
  });

  function start(words: readonly string[], extra: Record<string, string> = {}) {
    const { status, stdout, stderr } = spawnSync(ENTRYPOINT, words, {
      env: environment(extra),
      encoding: 'utf8',
    });
    return { status, stderr, started: () => JSON.parse(stdout) as Started };
  }

  const programOf = (started: Started) => started.program.replace(`${app}/`, '');

  it('starts the server when nothing is said', () => {
    const started = start([]).started();
    assert.equal(programOf(started), 'dist/bundle/server.js');
    assert.equal(started.env.STORE, `file:${join(app, 'data')}`);
  });

  it('keeps the store in /tmp when there is no volume to write to', () => {
    const started = start([], { DATA_DIR: join(app, 'nothing'), TMPDIR: '/tmp' }).started();
    assert.equal(started.env.STORE, 'file:/tmp/data');
  });

  it('leaves a store that was given as it is', () => {
    assert.equal(start(['server'], { STORE: 's3://bucket' }).started().env.STORE, 's3://bucket');
  });

  it('hands the other words to the program, whatever is in them', () => {
    const words = ['--a b', "it's", '$HOME', '*', ''];
    assert.deepEqual(start(['server', ...words]).started().args, words);
  });

  it('is the lambda mode by itself where Lambda runs it, and hands its handler to the runtime client', () => {
    const started = start([], {
      AWS_LAMBDA_RUNTIME_API: '127.0.0.1:9001',
      LAMBDA_TASK_ROOT: '/var/task',
    }).started();
    assert.equal(programOf(started), 'index.mjs');
    assert.equal(started.env._HANDLER, 'dist/bundle/lambda.handler');
    assert.equal(started.env.LAMBDA_TASK_ROOT, app);
  });

  it('is another mode on Lambda when that is said', () => {
    const started = start(['dispatcher'], {
      AWS_LAMBDA_RUNTIME_API: '127.0.0.1:9001',
      _HANDLER: 'entrypoint',
    }).started();
    assert.equal(started.env._HANDLER, 'dist/bundle/dispatcher.handler');
  });

  it('refuses the lambda modes where no Lambda is, and says what to do', () => {
    for (const mode of ['lambda', 'dispatcher']) {
      const { status, stderr } = start([mode]);
      assert.equal(status, 64);
      assert.match(stderr, new RegExp(`^ml-serverless: ${mode} .*emulator`));
    }
  });

  it('serves on all addresses for SageMaker, on the port that SageMaker names', () => {
    const { env } = start(['serve'], {
      HOST: '127.0.0.1',
      PORT: '9999',
      SAGEMAKER_BIND_TO_PORT: '8081',
    }).started();
    assert.deepEqual([env.HOST, env.PORT], ['0.0.0.0', '8081']);
    assert.equal(start(['serve']).started().env.PORT, '8080');
  });

  it('classifies in its own process unless it is told which server to ask', () => {
    const args = (words: string[], env = {}) => start(['classify', ...words], env).started().args;
    assert.deepEqual(args(['a b.jpg']), ['classify', '--local', 'a b.jpg']);
    assert.deepEqual(args(['--local', 'a.jpg']), ['classify', '--local', 'a.jpg']);
    assert.deepEqual(args(['--url', 'http://x', 'a.jpg']), ['classify', '--url', 'http://x', 'a.jpg']);
    assert.deepEqual(args(['a.jpg'], { ML_SERVERLESS_URL: 'http://x' }), ['classify', 'a.jpg']);
  });

  it('leaves the worker in its folder and with its settings', () => {
    const started = start(['worker']).started();
    assert.equal(programOf(started), 'dist/bundle/worker.js');
    assert.equal(started.env.STORE, undefined);
  });

  it('answers an unknown mode with the list of modes and exit status 64', () => {
    const { status, stderr } = start(['sevrer']);
    assert.equal(status, 64);
    assert.match(stderr, /^ml-serverless: there is no mode "sevrer"\n/);
    for (const mode of ['server', 'worker', 'dispatcher', 'lambda', 'serve', 'classify'])
      assert.match(stderr, new RegExp(`^ {2}${mode} `, 'm'));
  });

  it('becomes the program instead of staying its parent, so that signals reach it', async () => {
    const child = spawn(ENTRYPOINT, ['server', '--stay'], {
      env: environment({}),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [first] = (await once(child.stdout, 'data')) as [Buffer];
      assert.equal((JSON.parse(first.toString()) as Started).pid, child.pid);
      child.kill('SIGTERM');
      const [, signal] = (await once(child, 'close')) as [number | null, string | null];
      assert.equal(signal, 'SIGTERM');
    } finally {
      child.kill('SIGKILL');
    }
  });

  describe('its health check', () => {
    let server: Server;
    let answer = 200;
    let port: string;
    before(async () => {
      server = createServer((_request, response) => response.writeHead(answer).end()).listen(0, '127.0.0.1');
      await once(server, 'listening');
      port = String((server.address() as AddressInfo).port);
    });
    after(() => server.close());

    async function health(
      words: readonly string[],
      PORT: string,
    ): Promise<{ status: number | null; stderr: string }> {
      const cmdline = join(app, 'cmdline');
      await writeFile(
        cmdline,
        ['/usr/local/bin/tini', '-s', '--', '/app/docker/entrypoint', ...words, ''].join('\0'),
      );
      await chmod(cmdline, 0o644);
      const child = spawn(process.execPath, [HEALTHCHECK, cmdline], {
        env: { PATH: process.env.PATH, PORT },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (part: Buffer) => {
        stderr += part;
      });
      const [status] = (await once(child, 'close')) as [number | null];
      return { status, stderr };
    }

    it('asks the server whether it is ready', async () => {
      answer = 200;
      assert.equal((await health([], port)).status, 0);
      answer = 503;
      const { status, stderr } = await health(['serve'], port);
      assert.equal(status, 1);
      assert.match(stderr, /\/health\/ready answers 503/);
    });

    it('fails when nobody listens', async () => {
      // Port 1 of the loopback: nothing listens there, and nothing without rights can.
      assert.equal((await health(['server'], '1')).status, 1);
    });

    it('does not ask in modes without a server', async () => {
      for (const mode of ['worker', 'lambda', 'dispatcher', 'classify'])
        assert.equal((await health([mode], '1')).status, 0);
    });
  });
});
