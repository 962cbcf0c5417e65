import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { onnxMissing, openModels } from '../helpers/example-models.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';
import { auditPage, axe, browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';

describe('the tabs', { skip: browserMissing }, () => {
  const models = createGatedModels();
  let server: TestApp;
  let browser: TestBrowser;

  before(async () => {
    server = await startApp({ models });
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await models.close();
  });

  test('are reached, moved between and left with the keyboard alone', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#sample-list li');
    const focused = () => page.evaluate('document.activeElement.id');
    const open = () =>
      page.evaluate(
        '[...document.querySelectorAll("[role=tabpanel]")].filter((panel) => !panel.hidden).map((panel) => panel.id).join()',
      );
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'tab-classify');
    for (const [key, name] of [
      ['ArrowRight', 'batch'],
      ['ArrowRight', 'models'],
      ['ArrowRight', 'classify'],
      ['ArrowLeft', 'models'],
      ['Home', 'classify'],
      ['End', 'models'],
      ['ArrowLeft', 'batch'],
    ] as const) {
      await page.keyboard.press(key);
      await page.waitForSelector(`#panel-${name}`, { state: 'visible' });
      assert.deepEqual([await focused(), await open()], [`tab-${name}`, `panel-${name}`], key);
      assert.equal(await page.getAttribute(`#tab-${name}`, 'aria-selected'), 'true');
    }
    // The other tabs are no stops: past the tabs come the link to the API and what is in the panel.
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'API');
    await page.goto(`${server.url}/#models`);
    await page.waitForSelector('#panel-models .card');
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('models: what is loaded, and a search among the classes', async () => {
    const page = await browser.open(`${server.url}/#models`);
    await page.waitForSelector('.model h2');
    assert.match((await page.textContent('.model h2')) ?? '', /^resnet50 /);
    const facts = (await page.textContent('.model .facts')) ?? '';
    for (const fact of ['wasm', 'float32', '224 × 224']) assert.ok(facts.includes(fact), fact);
    assert.equal(await page.textContent('.model .badge'), 'Ready');
    const findings = await auditPage(page, 'models');
    assert.equal(
      page.asked.filter((url) => /\/models\//.test(url)).length,
      0,
      'labels are not asked for yet',
    );
    const accuracy = (await page.locator('.accuracy tbody tr').allTextContents()).join('\n');
    assert.match(
      accuracy,
      /^Published.*ImageNet validation set.*74\.9 %92\.1 %\nMeasured64 photographs.*92\.2 %98\.4 %$/,
    );
    await page.click('.model summary');
    await page.waitForSelector('.model details [role=status]:has-text("1,000 of 1,000 classes")');
    await page.fill('.filter', '99');
    await page.waitForSelector('.model details [role=status]:has-text("19 of 1,000 classes")');
    findings.push(...(await auditPage(page, 'models-classes')));
    await page.fill('.filter', 'nothing like it');
    await page.waitForSelector('.model details [role=status]:has-text("No class has that")');
    assert.deepEqual(findings, []);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('models of rows: their columns, and what a regression predicts', { skip: onnxMissing }, async () => {
    const tabular = await openModels({ MODELS: 'sklearn-iris,sklearn-diabetes' });
    const rows = await startApp({ models: tabular, env: { MODEL: 'sklearn-iris' } });
    const page = await browser.open(`${rows.url}/#models`);
    await page.waitForSelector('.model >> nth=1');
    const [iris = '', diabetes = ''] = await page.locator('.model').allTextContents();
    for (const { name, text } of tabular
      .list()
      .map((model, at) => ({ ...model, text: [iris, diabetes][at] ?? '' }))) {
      assert.ok(text.startsWith(name), text);
      assert.match(text, /Rows of a table/);
    }
    assert.match(iris, /Its 3 classes/);
    assert.match(diabetes, /Predicts/);
    assert.doesNotMatch(`${iris}${diabetes}`, /undefined|NaN|Its 0 classes/);
    assert.deepEqual(await auditPage(page, 'models-of-rows'), []);
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await rows.close();
    await tabular.close();
  });

  test('nothing is asked of anybody but the service itself, on any tab', async () => {
    const page = await browser.open(server.url);
    for (const name of ['batch', 'models', 'classify']) {
      await page.click(`#tab-${name}`);
      await page.waitForLoadState('networkidle');
    }
    const others = page.asked.filter(
      (url) => !url.startsWith(`${server.url}/`) && !/^(blob|data):/.test(url),
    );
    assert.deepEqual(others, []);
    assert.ok(page.asked.length > 10);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('the checks can fail: a picture without words, pale text, a page too wide and a blocked script are reported', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#sample-list li');
    assert.deepEqual(await axe(page), []);
    await page.evaluate(`{
      const pale = document.createElement('p');
      pale.textContent = 'hardly to be read';
      pale.style.color = '#eee';
      pale.style.width = '3000px';
      const picture = document.createElement('img');
      picture.src = 'web/icon.svg';
      document.querySelector('main').append(pale, picture);
    }`);
    const findings = (await axe(page)).join('\n');
    assert.match(findings, /critical image-alt: <img/);
    assert.match(findings, /serious color-contrast: <p/);
    assert.match((await auditPage(page, 'spoiled')).join('\n'), /spoiled, phone: is 3\d\d\d pixels wide/);
    await page.evaluate(`{
      const script = document.createElement('script');
      script.setAttribute('nonce', 'x');
      try { script.textContent = 'globalThis.wasRun = true'; } catch {}
      document.body.append(script);
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = 'http://127.0.0.1:9/other.css';
      document.head.append(link);
    }`);
    await until('a report of the policy', () => page.faults.length > 0);
    assert.match(page.faults.join('\n'), /Content Security Policy/);
    assert.equal(await page.evaluate('globalThis.wasRun'), undefined);
    await page.context().close();
  });
});
