import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { openRealModels } from '../helpers/real-models.ts';
import { fromRoot } from '../helpers/root.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { auditPage, browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';
import { dropFiles } from './support/drop.ts';

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
    const findings = await auditPage(page, 'classify-empty');
    await page.click('#sample-list button >> nth=0');
    await page.waitForSelector('.top-label');
    assert.equal(await page.textContent('.top-label'), 'balloon');
    assert.equal(await page.locator('#answer .bars button').count(), 5);
    findings.push(...(await auditPage(page, 'classify-result')));
    await page.click('.switch');
    await page.waitForSelector('#heat:not([hidden])');
    findings.push(...(await auditPage(page, 'classify-heat-map')));
    assert.deepEqual(findings, []);
    assert.deepEqual(page.faults, []);
  });

  test('says what to do with a file that is no picture, too large, empty or broken', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#sample-list li');
    const jpeg = await readFile(fromRoot('models/resnet50/samples/balloon.jpg'));
    const files: [string, Buffer, RegExp][] = [
      ['a.pdf', Buffer.from('%PDF-1.7'), /This is a PDF/],
      ['large.jpg', Buffer.alloc(2_000_001), /too large.*the limit is 2\.0 MB/],
      ['empty.jpg', Buffer.alloc(0), /empty/],
      ['cut.jpg', jpeg.subarray(0, 5000), /cannot be read as a picture/],
    ];
    for (const [name, buffer, sentence] of files) {
      const mimeType = name.endsWith('pdf') ? 'application/pdf' : 'image/jpeg';
      await page.setInputFiles('#file-one', { name, mimeType, buffer });
      await page.waitForSelector(`#panel-classify[data-state=error] #caption:has-text("${name}")`);
      await page.waitForSelector('#answer .notice');
      assert.match((await page.textContent('#answer')) ?? '', sentence, name);
      assert.equal(await page.locator('#answer button').count(), 0, 'the same file would fail again');
    }
    assert.deepEqual(await auditPage(page, 'classify-broken'), []);
    assert.deepEqual(page.faults, []);
  });

  test('the line it gives for a terminal is copied and answers the same there', async () => {
    const page = await browser.open(server.url, { permissions: ['clipboard-read', 'clipboard-write'] });
    await page.waitForSelector('#sample-list li');
    const folder = await mkdtemp(join(tmpdir(), 'curl-'));
    // What a shell would trip over, were it not quoted.
    const name = "it's a $(balloon) & co.jpg";
    await copyFile('models/resnet50/samples/balloon.jpg', join(folder, name));
    await page.setInputFiles('#file-one', join(folder, name));
    await page.waitForSelector('.top-label');
    const onPage = await page.locator('#answer .bars button > span:first-child').allTextContents();
    await page.click('#curl-one button');
    await page.waitForSelector('#curl-one [role=status]:has-text("Copied")');
    const line = String(await page.evaluate('navigator.clipboard.readText()'));
    assert.match(line, /^curl /);
    const run = promisify(execFile);
    const { stdout } = await run('sh', ['-c', line], { cwd: folder, timeout: 20_000 });
    const { predictions } = JSON.parse(stdout) as { predictions: { label: string }[] };
    assert.deepEqual(
      predictions.map(({ label }) => label.replaceAll('_', ' ')),
      onPage,
    );
    assert.equal(onPage[0], 'balloon');

    await page.click('.switch');
    await page.waitForSelector('#heat:not([hidden])');
    await page.click('#curl-one button');
    await page.waitForSelector('#curl-one code:has-text("explain")');
    const why = String(await page.evaluate('navigator.clipboard.readText()'));
    await run('sh', ['-c', why], { cwd: folder, timeout: 20_000 });
    const { format } = await sharp(join(folder, 'why.png')).metadata();
    assert.equal(format, 'png');
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a picture is dropped, and another one pasted with the keyboard', async () => {
    const page = await browser.open(server.url, { permissions: ['clipboard-read', 'clipboard-write'] });
    await page.waitForSelector('#sample-list li');
    await dropFiles(page, [fromRoot('models/resnet50/samples/traffic-light.jpg')]);
    await page.waitForSelector('.top-label:has-text("traffic light")');
    assert.match((await page.textContent('#caption')) ?? '', /^traffic-light\.jpg/);
    // Clipboards hold PNG: the picture is drawn and copied as any other page could do it.
    await page.evaluate(`(async () => {
      const picture = await createImageBitmap(await (await fetch('samples/balloon.jpg')).blob());
      const canvas = new OffscreenCanvas(picture.width, picture.height);
      canvas.getContext('2d').drawImage(picture, 0, 0);
      const blob = await canvas.convertToBlob({ type: 'image/png' });
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
    })()`);
    await page.keyboard.press('Control+V');
    await page.waitForSelector('.top-label:has-text("balloon")');
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('a picture is classified and explained with the keyboard alone', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#sample-list li');
    const press = async (key: string, until: string) => {
      for (let n = 0; n < 30; n++) {
        await page.keyboard.press(key);
        if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(until)})`)) return;
      }
      assert.fail(`${until} is not reached with ${key}`);
    };
    await press('Tab', '#sample-list button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.top-label');
    await press('Tab', '#why-on');
    await page.keyboard.press('Space');
    await page.waitForSelector('#heat:not([hidden])');
    await press('Tab', '#why-opacity');
    const before = await page.evaluate('document.getElementById("heat").style.opacity');
    await page.keyboard.press('ArrowLeft');
    assert.notEqual(await page.evaluate('document.getElementById("heat").style.opacity'), before);
    await press('Tab', '#answer .bars li:nth-child(2) button');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#answer .bars li:nth-child(2) button[aria-pressed=true]');
    await page.waitForSelector('#heat:not([hidden])');
    await press('Tab', '#another');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#panel-classify[data-state=empty]');
    assert.equal(await page.evaluate('document.activeElement.id'), 'choose-one');
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
});
