import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';
import {
  auditPage,
  browserMissing,
  openBrowser,
  type TestBrowser,
  type TestPage,
} from './support/browser.ts';

/** States that a real engine cannot be brought into at will: the real page and app on an engine that the test holds. */
describe('the page when something is in the way', { skip: browserMissing }, () => {
  let browser: TestBrowser;
  let jpeg: Buffer;
  const choose = (page: TestPage) =>
    page.setInputFiles('#file-one', { name: 'a.jpg', mimeType: 'image/jpeg', buffer: jpeg });
  const shown = (page: TestPage, text: string) => page.waitForSelector(`#answer:has-text("${text}")`);

  before(async () => {
    browser = await openBrowser();
    jpeg = await picture(64, 48);
  });
  after(() => browser?.close());

  test('while the model loads it counts down, sends the picture by itself, and says so at the top', async () => {
    const models = createGatedModels();
    models.ready = false;
    const server = await startApp({ models });
    const page = await browser.open(server.url);
    await page.waitForSelector('#status[data-state=loading]');
    await choose(page);
    await shown(page, 'The model is still loading');
    assert.match((await page.textContent('#answer')) ?? '', /Trying again in \d+ s/);
    assert.deepEqual(await auditPage(page, 'loading'), []);
    models.ready = true;
    await page.waitForSelector('.top-label');
    await page.waitForSelector('#status[data-state=ready]');
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await server.close();
    await models.close();
  });

  test('a slow engine is reported at the top, and its reason on the models tab', async () => {
    const models = createGatedModels({ degraded: 'TensorFlow is not available; WebAssembly runs the model' });
    const server = await startApp({ models });
    const page = await browser.open(server.url);
    const status = await page.waitForSelector('#status[data-state=slow]');
    assert.equal(await status.textContent(), 'Ready, slow engine');
    assert.match(
      (await status.getAttribute('title')) ?? '',
      /^resnet50: TensorFlow is not available; WebAssembly/,
    );
    await page.goto(`${server.url}/#models`);
    await page.waitForSelector('.facts:has-text("WebAssembly runs the model")');
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await server.close();
    await models.close();
  });

  test('when the service is full the page waits for Retry-After, and the user can stop or skip the wait', async () => {
    const models = createGatedModels({ maxQueue: 1 });
    const server = await startApp({ models });
    models.hold();
    const send = () =>
      fetch(`${server.url}/predict`, {
        method: 'POST',
        body: new Uint8Array(jpeg),
        headers: { 'content-type': 'image/jpeg' },
      });
    const others: Promise<Response>[] = [];
    // Until one is refused: from then on so is the page.
    for (;;) {
      const one = send();
      const first = await Promise.race([one, new Promise((wake) => setTimeout(wake, 200))]);
      if (first instanceof Response) {
        assert.equal(first.status, 503);
        assert.ok(Number(first.headers.get('retry-after')) >= 1);
        break;
      }
      others.push(one);
    }
    const page = await browser.open(server.url);
    const refused = page.waitForResponse((response) => response.status() === 503);
    await choose(page);
    assert.equal(((await (await refused).json()) as { code: string }).code, 'OVERLOADED');
    await shown(page, 'The service is busy');
    assert.deepEqual(await auditPage(page, 'overload'), []);
    await page.click('#answer button:has-text("Stop")');
    await page.waitForSelector('#panel-classify[data-state=error]');
    await page.click('#answer button:has-text("Try again")');
    await shown(page, 'Trying again in');
    models.release();
    for (const other of others) assert.equal((await other).status, 200);
    await page.click('#answer button:has-text("Try now")');
    await page.waitForSelector('.top-label');
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await server.close();
    await models.close();
  });

  test('where a key is needed it asks for one, says when it is wrong, and never shows it', async () => {
    const models = createGatedModels();
    const server = await startApp({ models, env: { API_KEYS: 'the-right-key' } });
    const page = await browser.open(server.url);
    await choose(page);
    await page.waitForSelector('#key-dialog[open]');
    assert.equal(await page.evaluate('document.activeElement.id'), 'key');
    assert.deepEqual(await auditPage(page, 'key'), []);
    await page.keyboard.type('a-wrong-key');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#key-title:has-text("not accepted")');
    await page.fill('#key', 'the-right-key');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.top-label');
    assert.match((await page.textContent('#curl-one code')) ?? '', /^curl -H "x-api-key: \$API_KEY"/);
    assert.doesNotMatch(await page.content(), /the-right-key/);
    await page.click('#another');
    await choose(page);
    await page.waitForSelector('.top-label');
    assert.equal(await page.isVisible('#key-dialog'), false, 'it is asked once');
    await page.evaluate('sessionStorage.clear()');
    await page.click('#another');
    await choose(page);
    await page.waitForSelector('#key-dialog[open]');
    await page.keyboard.press('Escape');
    await shown(page, 'enter a key');
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await server.close();
    await models.close();
  });

  test('when the service goes away during a request the page says what to do, and a retry works', async () => {
    const models = createGatedModels();
    const first = await startApp({ models });
    const page = await browser.open(first.url);
    models.hold();
    const began = page.waitForRequest((request) => request.method() === 'POST');
    await choose(page);
    await began;
    await until('the start of inference', () => models.inferred > 0);
    // Stops listening first: a browser sends a request that got no answer a second time.
    first.app.server.close();
    first.app.server.closeAllConnections();
    models.release();
    await first.close();
    await shown(page, 'The service does not answer');
    assert.match((await page.textContent('#answer')) ?? '', /Check that it is running/);
    assert.deepEqual(await auditPage(page, 'gone'), []);
    const second = await startApp({ models, port: first.port });
    await page.click('#answer button:has-text("Try again")');
    await page.waitForSelector('.top-label');
    await page.context().close();
    await second.close();
    await models.close();
  });

  test('a picture of 200 MB is refused before any of it is sent', async () => {
    const models = createGatedModels();
    const server = await startApp({ models });
    const page = await browser.open(server.url);
    await page.waitForSelector('#size-hint:has-text("21 MB")');
    // One buffer that many parts of the file share.
    await page.evaluate(`{
      const piece = new Uint8Array(1e6);
      piece.set([0xff, 0xd8, 0xff]);
      const file = new File(Array.from({ length: 200 }, () => piece), 'huge.jpg', { type: 'image/jpeg' });
      const transfer = new DataTransfer();
      transfer.items.add(file);
      const input = document.getElementById('file-one');
      input.files = transfer.files;
      input.dispatchEvent(new Event('change'));
    }`);
    await shown(page, 'The picture is too large');
    assert.match((await page.textContent('#answer')) ?? '', /It has 200 MB; the limit is 21 MB\./);
    assert.deepEqual(
      page.asked.filter((url) => url.includes('/predict')),
      [],
    );
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await server.close();
    await models.close();
  });
});
