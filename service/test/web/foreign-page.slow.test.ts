import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import { contentOf, idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';

/** Names that the browser resolves to this machine, as an attacker's DNS server would after a rebinding. */
const RULES = '--host-resolver-rules=MAP *.example 127.0.0.1';

describe('a page of another site in a real browser', { skip: browserMissing }, () => {
  const models = createGatedModels();
  const site = createServer((_request, response) => {
    const link = `<a href="http://localhost:${server.port}/">to the server</a>`;
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>another site</title>${link}`);
  });
  let store: Awaited<ReturnType<typeof tempStore>>;
  let batch: Batch;
  let server: TestApp;
  let browser: TestBrowser;
  let address = '';

  before(async () => {
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    address = `http://friend.example:${(site.address() as AddressInfo).port}`;
    store = await tempStore();
    batch = tempBatch(store, idleQueue());
    server = await startApp({ models, objects: store, batch, env: { CORS_ORIGINS: address } });
    browser = await openBrowser([RULES]);
  });
  after(async () => {
    await browser.close();
    await server.close();
    await batch.close();
    await store.close();
    await models.close();
    site.close();
  });

  /** What the page at `from` gets when it sends a file; `unreadable` where the browser hides the answer. */
  async function sendFrom(from: string, mode: 'cors' | 'no-cors'): Promise<string | number> {
    const page = await browser.open(from);
    const result = await page.evaluate(
      async ([url, how]) => {
        const form = new FormData();
        form.append('files', new Blob(['x']), 'a.png');
        try {
          const { status } = await fetch(`${url}/batch`, {
            method: 'POST',
            body: form,
            mode: how as 'cors',
          });
          return status === 0 ? 'unreadable' : status;
        } catch {
          return 'unreadable';
        }
      },
      [`http://localhost:${server.port}`, mode],
    );
    await page.context().close();
    return result;
  }

  test('it stores nothing and reads nothing, unless CORS_ORIGINS names it', async () => {
    const evil = address.replace('friend', 'evil');
    for (const mode of ['cors', 'no-cors'] as const)
      assert.equal(await sendFrom(evil, mode), 'unreadable', mode);
    assert.equal((await contentOf(store, 'jobs/')).size, 0);
    assert.equal(await sendFrom(address, 'cors'), 202);
  });

  test('it cannot become the same origin by DNS rebinding', async () => {
    const page = await browser.open(`http://evil.example:${server.port}/`);
    const status = await page.evaluate(async () => (await fetch('/batch')).status);
    assert.equal(status, 403);
    await page.context().close();
  });

  test('a link on it opens the page of this server', async () => {
    const page = await browser.open(address);
    await page.click('a');
    await page.waitForURL(`http://localhost:${server.port}/`);
    await page.waitForSelector('h1');
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
});
