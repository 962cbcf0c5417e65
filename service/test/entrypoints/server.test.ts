import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { picture } from '../helpers/pictures.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { root } from '../helpers/root.ts';
import { type ServerProcess, spawnServer } from '../helpers/server-process.ts';
import { until } from '../helpers/until.ts';

const real = await openRealModels();
await real.models?.close();

describe('the server as a process', () => {
  const started: ServerProcess[] = [];
  const start = (...args: Parameters<typeof spawnServer>) => {
    const server = spawnServer(...args);
    started.push(server);
    return server;
  };
  afterEach(() => {
    for (const server of started.splice(0)) server.kill();
  });

  test('--help names every option with its default, and starts nothing', async () => {
    const server = start({}, ['--help']);
    assert.deepEqual(await server.exit, { code: 0, signal: null });
    for (const name of ['HOST=127.0.0.1', 'PORT=8080', 'MAX_QUEUE=256', 'API_KEYS', 'LOG_LEVEL=info']) {
      assert.ok(server.stdout().includes(name), name);
    }
  });

  test('a wrong value stops the start with one line that names it, and exit status 1', async () => {
    const wrong: Record<string, string>[] = [
      { PORT: 'abc' },
      { MAX_QUEUE: '0' },
      { ENGINE: 'steam' },
      { PORT: '70000' },
    ];
    for (const env of wrong) {
      const server = start(env);
      assert.equal((await server.exit).code, 1);
      const [name, value] = Object.entries(env)[0] as [string, string];
      assert.match(server.stderr(), new RegExp(`^ml-serverless: ${name}="${value}" [^\\n]+\\n$`));
      assert.equal(server.stdout(), '');
    }
  });

  test('an unknown option stops the start with one line', async () => {
    const server = start({}, ['--port']);
    assert.equal((await server.exit).code, 1);
    assert.match(server.stderr(), /^ml-serverless: unknown option --port[^\n]+\n$/);
  });

  test('a server that others can reach warns at the start if it has no keys', {
    skip: real.missing,
  }, async () => {
    const open = start({ HOST: '0.0.0.0' });
    await open.url;
    assert.match(open.stdout(), /"level":"warn"[^\n]*without API keys/);
    for (const env of [{ HOST: '0.0.0.0', API_KEYS: 'key' }, {}]) {
      const server = start(env);
      await server.url;
      assert.doesNotMatch(server.stdout(), /without API keys/);
    }
  });

  test('a model that is not there stops the start with one line', async () => {
    const server = start({ MODEL: 'no-such-model' });
    assert.equal((await server.exit).code, 1);
    assert.match(server.stderr(), /^ml-serverless: [^\n]*no-such-model[^\n]*\n$/);
  });

  test('a port in use stops the start with one line', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    try {
      const server = start({ PORT: String(port) });
      assert.equal((await server.exit).code, 1);
      assert.match(server.stderr(), new RegExp(`^ml-serverless: port ${port} is in use[^\\n]+\\n$`));
    } finally {
      other.close();
    }
  });

  test('SIGTERM: what was accepted is answered, nothing more is accepted, exit status 0', {
    skip: real.missing,
  }, async () => {
    const server = start({ MAX_BATCH: '1' });
    const url = await server.url;
    const image = await picture(1200, 900, 'png');
    const requests = Array.from({ length: 12 }, () => predict(url, image));
    // Every body has arrived before the signal does: each request has sent its last byte.
    await Promise.all(requests.map(({ sent }) => sent));
    await delay(30);
    server.child.kill('SIGTERM');
    const statuses = await Promise.all(requests.map(({ status }) => status));
    assert.deepEqual(statuses, Array(12).fill(200));
    assert.deepEqual(await server.exit, { code: 0, signal: null });
    await assert.rejects(predict(url, image).status, { code: 'ECONNREFUSED' });
    assert.doesNotMatch(server.stderr(), /Error|ml-serverless:/);
  });

  test('SIGTERM while a slow upload is under way: it is finished and answered', {
    skip: real.missing,
  }, async () => {
    const server = start();
    const url = await server.url;
    const image = await picture();
    const upload = slowUpload(url, image);
    await upload.begun;
    server.child.kill('SIGTERM');
    await untilLogged(server, 'shutting down');
    assert.equal((await upload.finish()).status, 200);
    assert.deepEqual(await server.exit, { code: 0, signal: null });
  });

  // `timeout` and systemd signal the whole group, so that the server gets the signal itself and from set-up.
  for (const receiver of ['npm', 'group'] as const)
    test(`SIGTERM to npm start (${receiver}): what was accepted is answered, and the server ends`, {
      skip: real.missing,
      timeout: 120_000,
    }, async () => {
      const npm = start({}, [], ['npm', '--prefix', root, 'start']);
      const url = await npm.url;
      const upload = slowUpload(url, await picture());
      await upload.begun;
      process.kill((npm.child.pid ?? 0) * (receiver === 'npm' ? 1 : -1), 'SIGTERM');
      await untilLogged(npm, 'shutting down');
      // Time for npm and set-up to pass the signal on.
      await delay(500);
      assert.equal((await upload.finish()).status, 200);
      // The server holds npm's output: this resolves once it has ended too.
      await npm.exit;
      await assert.rejects(predict(url, await picture()).status, { code: 'ECONNREFUSED' });
    });

  test('SIGTERM before the model is loaded ends it with exit status 0', { skip: real.missing }, async () => {
    const server = start();
    await untilLogged(server, 'istening');
    server.child.kill('SIGTERM');
    assert.deepEqual(await server.exit, { code: 0, signal: null });
    assert.ok(!server.stdout().includes('"msg":"ready"'), server.stdout());
  });

  test('a second Ctrl-C exits at once', { skip: real.missing }, async () => {
    const server = start();
    const url = await server.url;
    const upload = slowUpload(url, await picture());
    await upload.begun;
    server.child.kill('SIGINT');
    await untilLogged(server, 'shutting down');
    server.child.kill('SIGINT');
    assert.equal((await server.exit).code, 130);
    await assert.rejects(upload.finish());
  });

  test('off a terminal it logs JSON lines, one of which says what runs', { skip: real.missing }, async () => {
    const server = start();
    await server.url;
    server.child.kill('SIGTERM');
    await server.exit;
    const lines = server
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const ready = lines.find(({ msg }) => msg === 'ready');
    assert.equal(ready.model, 'resnet50');
    assert.ok(ready.engine && ready.precision && ready.version);
  });
});

const untilLogged = (server: Pick<ServerProcess, 'stdout'>, text: string) =>
  until(`"${text}" in the log`, () => server.stdout().includes(text));

function predict(
  url: string,
  image: Buffer,
): { readonly sent: Promise<void>; readonly status: Promise<number> } {
  const outgoing = request(`${url}/predict`, {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    agent: false,
  });
  const status = new Promise<number>((resolve, reject) => {
    outgoing.on('response', (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    outgoing.on('error', reject);
  });
  const sent = new Promise<void>((resolve) => outgoing.end(image, () => resolve()));
  return { sent, status };
}

function slowUpload(url: string, image: Buffer) {
  const headers = { 'content-type': 'image/jpeg', 'content-length': image.length, connection: 'keep-alive' };
  const outgoing = request(`${url}/predict`, { method: 'POST', headers, agent: false });
  const response = new Promise<{ status: number }>((resolve, reject) => {
    outgoing.on('response', (answer) =>
      answer.resume().on('end', () => resolve({ status: answer.statusCode ?? 0 })),
    );
    outgoing.on('error', reject);
  });
  response.catch(() => {});
  const half = Math.floor(image.length / 2);
  return {
    begun: new Promise<void>((resolve) =>
      outgoing.write(image.subarray(0, half), () => setTimeout(resolve, 50)),
    ),
    finish: () => {
      outgoing.end(image.subarray(half));
      return response;
    },
  };
}
