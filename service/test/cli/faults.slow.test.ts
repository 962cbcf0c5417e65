import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';
import { jsonLines, runCli, startCli } from './run-cli.ts';

/** Some other HTTP server, for what the real one never does. */
async function withServer<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('the command line and a service in trouble', () => {
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cli-faults-'));
    file = join(folder, 'a.jpg');
    await writeFile(file, await picture());
  });
  after(() => rm(folder, { recursive: true, force: true }));

  test('no service: status 3, and one line with its address and how to start it', async () => {
    // A port that was free a moment ago.
    const probe = createSocketServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    const url = `http://127.0.0.1:${port}`;
    const classify = await runCli(['classify', file, '--url', url]);
    assert.equal(classify.status, 3);
    assert.equal(classify.stdout, '');
    assert.equal(
      classify.stderr,
      `error: cannot reach ${url} (ECONNREFUSED); start it with: npm start, or add --local [UNREACHABLE]\n`,
    );
    for (const words of [['list'], ['submit', file], ['watch', 'x'], ['results', 'x'], ['cancel', 'x']]) {
      const { status, stderr } = await runCli(['batch', ...words, '--url', url]);
      assert.equal(status, 3);
      assert.match(stderr, /start it with: npm start \[UNREACHABLE\]\n$/);
    }
  });

  test('a model that is still loading is retried', async () => {
    const models = createGatedModels();
    models.ready = false;
    const server = await startApp({ models });
    try {
      const cli = startCli(['classify', file, '--json', '--url', server.url]);
      await until('a refused request', () => server.log().includes('MODEL_NOT_READY'));
      models.ready = true;
      const { status, stdout, stderr } = await cli.ended;
      assert.equal(status, 0, stderr);
      assert.equal(jsonLines(stdout).length, 1);
    } finally {
      await server.close();
      await models.close();
    }
  });

  test('a service that stays overloaded fails the command after six attempts', async () => {
    let requests = 0;
    const problem = JSON.stringify({ code: 'OVERLOADED', detail: 'too much to do; try again later' });
    const headers = { 'content-type': 'application/problem+json', 'retry-after': '0' };
    await withServer(
      (request, response) => {
        requests++;
        request.resume().on('end', () => response.writeHead(503, headers).end(problem));
      },
      async (url) => {
        const { status, stderr } = await runCli(['batch', 'list', '--url', url]);
        assert.equal(status, 3);
        assert.match(stderr, /too much to do; try again later \(after 6 attempts\) \[OVERLOADED\]/);
        assert.equal(requests, 6);
      },
    );
  });

  test('a Retry-After of more than 30 seconds ends the command at once', async () => {
    for (const [retryAfter, attempts] of [
      ['1', 2],
      ['31', 1],
    ] as const) {
      let requests = 0;
      await withServer(
        (_request, response) => {
          if (++requests === 1) response.writeHead(429, { 'retry-after': retryAfter }).end();
          else response.setHeader('content-type', 'application/json').end('{"jobs":[]}');
        },
        async (url) => {
          const { status, stderr } = await runCli(['batch', 'list', '--url', url]);
          assert.equal(status, attempts === 2 ? 0 : 5, stderr);
        },
      );
      assert.equal(requests, attempts);
    }
  });

  test('an API key comes from the environment or the option; status 4 without one', async () => {
    const models = createGatedModels();
    const server = await startApp({ models, env: { API_KEYS: 'secret-1' } });
    const args = ['classify', file, '--json', '--url', server.url];
    try {
      const without = await runCli(args);
      assert.equal(without.status, 4);
      assert.match(without.stderr, /^error: [^\n]*API key[^\n]* \[UNAUTHORIZED\]\n$/);
      assert.equal((await runCli([...args, '--api-key', 'wrong'])).status, 4);
      assert.equal((await runCli([...args, '--api-key', 'secret-1'])).status, 0);
      assert.equal((await runCli(args, { env: { ML_SERVERLESS_API_KEY: 'secret-1' } })).status, 0);
    } finally {
      await server.close();
      await models.close();
    }
  });

  test('a redirect is not followed, so that the key stays here', async () => {
    let keysSeen = 0;
    await withServer(
      (request, response) => {
        if (request.headers['x-api-key']) keysSeen++;
        response.end('{}');
      },
      (elsewhere) =>
        withServer(
          (_request, response) => response.writeHead(302, { location: `${elsewhere}/predict` }).end(),
          async (url) => {
            const { status, stderr } = await runCli(['classify', file, '--url', url, '--api-key', 'k']);
            assert.equal(status, 5);
            assert.ok(stderr.includes(`redirects to ${elsewhere}; use that address with --url`), stderr);
          },
        ),
    );
    assert.equal(keysSeen, 0);
  });

  test('another program at the address: status 5', async () => {
    await withServer(
      (_request, response) => response.setHeader('content-type', 'text/html').end('<h1>hello</h1>'),
      async (url) => {
        const { status, stderr } = await runCli(['classify', file, '--url', url]);
        assert.equal(status, 5);
        assert.match(
          stderr,
          /http:\/\/127\.0\.0\.1:\d+ is not an ml-serverless service; .* \[UNEXPECTED_ANSWER\]/,
        );
      },
    );
  });

  test('truncated results are an error, not a short file', async () => {
    const job = {
      jobId: 'x',
      status: 'SUCCEEDED',
      counts: { total: 2, succeeded: 2, failed: 0, pending: 0 },
      createdAt: new Date().toISOString(),
    };
    await withServer(
      (request, response) => {
        if (!request.url?.endsWith('/results')) {
          response.setHeader('content-type', 'application/json').end(JSON.stringify(job));
          return;
        }
        response.setHeader('content-type', 'application/x-ndjson');
        response.write('{"key":"input/a.jpg"}\n{"key":"inp', () => response.destroy());
      },
      async (url) => {
        const { status, stdout, stderr } = await runCli(['batch', 'results', 'x', '--url', url]);
        assert.equal(status, 3);
        assert.equal(stdout, '{"key":"input/a.jpg"}\n');
        assert.match(stderr, /are truncated/);
      },
    );
  });

  test('control characters of file names and services do not reach the terminal', async () => {
    await withServer(
      (request, response) => {
        request.resume();
        response.writeHead(400, { 'content-type': 'application/problem+json' });
        response.end(JSON.stringify({ code: 'NOT_FOUND', detail: 'a\u001b[2Jb\nc' }));
      },
      async (url) => {
        const { stderr } = await runCli(['batch', 'list', '--url', url]);
        assert.equal(stderr, 'error: a\\x1b[2Jb\\x0ac [NOT_FOUND]\n');
      },
    );
  });

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`${signal} ends it with status ${expected}, after printing finished rows`, async () => {
      const models = createGatedModels();
      const server = await startApp({ models });
      try {
        const cli = startCli(['classify', '-c', '1', file, file, '--url', server.url]);
        await until('the first inference', () => models.inferred === 1);
        models.hold();
        await until('the second inference', () => models.inferred === 2);
        cli.kill(signal);
        const { status, stdout, stderr } = await cli.ended;
        assert.equal(status, expected);
        assert.match(stderr, new RegExp(`stopped by ${signal} \\[INTERRUPTED\\]`));
        assert.match(stdout, /a\.jpg/, 'the first one was done');
      } finally {
        models.release();
        await server.close();
        await models.close();
      }
    });
  }
});
