import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Batch } from '../../src/batch/batch.ts';
import type { Models } from '../../src/domain/classifier.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { onnxMissing, openModels, tensorflowMissing } from '../helpers/example-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { auditPage, browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';

const skip = browserMissing || onnxMissing || tensorflowMissing;

describe('the choice of model and number of classes', { skip }, () => {
  let models: Models;
  let store: ObjectStore & { close(): Promise<void> };
  let batch: Batch;
  let server: TestApp;
  let browser: TestBrowser;
  let jpeg: Buffer;

  before(async () => {
    models = await openModels({ MODELS: 'onnx-shapes,keras-shapes,sklearn-iris', MODEL: 'onnx-shapes' });
    store = await tempStore();
    batch = tempBatch(store, idleQueue());
    server = await startApp({ models, objects: store, batch, env: { API_KEYS: 'the-key' } });
    browser = await openBrowser();
    jpeg = await picture();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await batch?.close();
    await store?.close();
    await models?.close();
  });

  test('lists the models for images with their versions, and holds for pictures, heat maps and jobs', async () => {
    const page = await browser.open(server.url);
    const file = { name: 'a.jpg', mimeType: 'image/jpeg', buffer: jpeg };
    await page.waitForSelector('#status[data-state=ready]');
    assert.equal(await page.isVisible('#key-dialog'), false, 'the list alone asks for no key');
    await page.setInputFiles('#file-one', file);
    await page.fill('#key', 'the-key');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.timing:has-text("onnx-shapes")');
    const model = page.locator('#choice-classify select').first();
    await model.waitFor();
    assert.deepEqual(
      await model.locator('option').allTextContents(),
      models
        .list()
        .slice(0, 2)
        .map(({ name, version }) => `${name} ${version}`),
    );
    assert.equal(await page.locator('#answer .bars button').count(), 3);

    await model.selectOption('keras-shapes');
    await page.waitForSelector('.timing:has-text("keras-shapes")');
    await page.locator('#choice-classify select').last().selectOption('1');
    await page.waitForSelector('#answer .bars li:only-child button');
    const curl = (await page.textContent('#curl-one code')) ?? '';
    assert.match(curl, /\/predict\?topK=1&model=keras-shapes'$/);
    assert.deepEqual(await auditPage(page, 'choice'), []);
    await page.click('.switch');
    await page.waitForSelector('#heat:not([hidden]), #why-note:not(:empty)');
    assert.ok(
      page.asked.some((address) => /\/explain\?index=\d&format=png&model=keras-shapes$/.test(address)),
    );

    await page.click('#tab-batch');
    assert.equal(await page.locator('#choice-batch select').first().inputValue(), 'keras-shapes');
    await page.setInputFiles('#file-many', file);
    await page.click('button:has-text("Classify 1 picture")');
    await page.waitForSelector('#job-view .badge');
    const [job] = (await batch.list(1)).jobs;
    assert.deepEqual([job?.model, job?.topK], ['keras-shapes', 1]);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
});
