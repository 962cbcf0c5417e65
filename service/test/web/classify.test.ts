import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { openRealModels } from '../helpers/real-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { browserMissing, openBrowser, portray, type TestBrowser } from './support/browser.ts';

const real = browserMissing ? undefined : await openRealModels();

describe('the classify tab', { skip: browserMissing || real?.missing || false }, () => {
  let server: TestApp;
  let browser: TestBrowser;

  before(async () => {
    if (!real?.models) return;
    server = await startApp({ models: real.models, env: { MAX_IMAGE_BYTES: '2000000' } });
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await real?.models?.close();
  });

  test('names a sample picture, shows why, and looks right in every state', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#sample-list li');
    const findings = await portray(page, 'classify-empty');
    await page.click('#sample-list button >> nth=0');
    await page.waitForSelector('.top-label');
    assert.equal(await page.textContent('.top-label'), 'balloon');
    assert.equal(await page.locator('#answer .bars button').count(), 5);
    findings.push(...(await portray(page, 'classify-result')));
    await page.click('.switch');
    await page.waitForSelector('#heat:not([hidden])');
    findings.push(...(await portray(page, 'classify-heat-map')));
    assert.deepEqual(findings, []);
    assert.deepEqual(page.faults, []);
  });

  test('says what to do with a file that is no picture, too large, empty or broken', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#sample-list li');
    const jpeg = await readFile('models/resnet50/samples/balloon.jpg');
    const files: [string, Buffer, RegExp][] = [
      ['a.pdf', Buffer.from('%PDF-1.7'), /This is a PDF/],
      ['large.jpg', Buffer.alloc(2_000_001), /too large.*up to 2\.0 MB/],
      ['empty.jpg', Buffer.alloc(0), /empty/],
      ['cut.jpg', jpeg.subarray(0, 5000), /cannot be read as a picture/],
    ];
    for (const [name, buffer, sentence] of files) {
      const mimeType = name.endsWith('pdf') ? 'application/pdf' : 'image/jpeg';
      await page.setInputFiles('#file-one', { name, mimeType, buffer });
      await page.waitForSelector(`#panel-classify[data-state=error] #caption:has-text("${name}")`);
      await page.waitForSelector('#answer .notice');
      assert.match((await page.textContent('#answer')) ?? '', sentence, name);
    }
    assert.deepEqual(await portray(page, 'classify-broken'), []);
    assert.deepEqual(page.faults, []);
  });
});
