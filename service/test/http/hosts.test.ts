import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { hostNameOf } from '../../src/domain/host-names.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { rawRequest } from '../helpers/raw-http.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('host names', () => {
  const models = createGatedModels();
  const servers: TestApp[] = [];
  after(async () => {
    for (const server of servers) await server.close();
    await models.close();
  });

  async function start(env: Readonly<Record<string, string>>): Promise<TestApp> {
    const server = await startApp({ models, env });
    servers.push(server);
    return server;
  }

  const statusOf = async ({ http }: TestApp, host: string, path = '/models') =>
    (await http.get(path).set('host', host)).status;

  test('a server on loopback answers to loopback names only', async () => {
    const server = await start({});
    const own = [
      'localhost',
      'LOCALHOST:8080',
      'localhost.',
      '127.0.0.1',
      '127.1.2.3:1',
      '[::1]',
      '[::1]:80',
    ];
    for (const host of own) assert.equal(await statusOf(server, host), 200, host);
    const foreign = [
      'evil.example',
      'evil.example:8080',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '127.0.0.1@evil.example',
      '192.168.0.7',
      '0.0.0.0',
      '[::2]',
      'local host',
      '[::1',
    ];
    for (const host of foreign) {
      for (const path of ['/', '/models', '/batch', '/docs/', '/web/main.js', '/nope']) {
        const { status, body } = await server.http.get(path).set('host', host);
        assert.deepEqual([status, body.code], [403, 'HOST_NOT_ALLOWED'], `${host} ${path}`);
      }
      const deletion = await server.http.delete('/batch/r-1').set('host', host);
      assert.equal(deletion.body.code, 'HOST_NOT_ALLOWED', host);
    }
  });

  test('probes are answered under any host name', async () => {
    const server = await start({});
    for (const path of ['/health/live', '/health/ready', '/ping', '/v2/health/ready']) {
      assert.equal(await statusOf(server, '10.1.2.3:8080', path), 200, path);
    }
  });

  test('a server on every address answers to any name, unless ALLOWED_HOSTS is set', async () => {
    assert.equal(await statusOf(await start({ HOST: '0.0.0.0' }), 'api.example.com'), 200);
    const bound = await start({ HOST: '0.0.0.0', ALLOWED_HOSTS: 'API.example.com,[2001:db8::1],10.0.0.7' });
    for (const host of ['api.example.com:8080', '[2001:DB8::1]:80', '10.0.0.7', 'localhost:8080']) {
      assert.equal(await statusOf(bound, host), 200, host);
    }
    assert.equal(await statusOf(bound, 'www.api.example.com'), 403);
    assert.equal(await statusOf(bound, 'example.com'), 403);
  });

  test('ALLOWED_HOSTS adds names to a server on loopback; * allows any', async () => {
    const proxied = await start({ ALLOWED_HOSTS: 'photos.example.com' });
    assert.equal(await statusOf(proxied, 'photos.example.com'), 200);
    assert.equal(await statusOf(proxied, 'evil.example'), 403);
    assert.equal(await statusOf(await start({ ALLOWED_HOSTS: '*' }), 'evil.example'), 200);
  });

  test('two Host headers are refused, and an HTTP/1.0 request without one is answered', async () => {
    const server = await start({});
    const two = 'GET /models HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n';
    assert.equal((await rawRequest(server.port, two)).status, 400);
    assert.equal((await rawRequest(server.port, 'GET /models HTTP/1.0\r\n\r\n')).status, 200);
    const empty = 'GET /models HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n';
    assert.equal((await rawRequest(server.port, empty)).status, 403);
  });

  test('a Host header is read as a name with an optional port, or not at all', () => {
    assert.equal(hostNameOf('A.example:1'), 'a.example');
    for (const text of ['', ':80', 'a:b', 'a:1:2', 'a/b', '[::1]x', 'a:123456']) {
      assert.equal(hostNameOf(text), undefined, text);
    }
  });
});
