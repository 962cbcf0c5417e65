import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';

/** WCAG 2.2, 1.4.3 and 1.4.11: minimum ratios of text, and of what shows a state or the border of a field. */
const [TEXT, PART] = [4.5, 3];
const GROUNDS = ['ground', 'surface', 'sunken'];

/** Each colour, the colours it is drawn on, and the minimum ratio. */
const PAIRS: readonly (readonly [string, readonly string[], number])[] = [
  ['text', [...GROUNDS, 'tint', 'bad-tint', 'wait-tint'], TEXT],
  ['soft', GROUNDS, TEXT],
  ['accent', GROUNDS, TEXT],
  ['accent-strong', [...GROUNDS, 'tint'], TEXT],
  ['on-accent', ['accent', 'accent-strong'], TEXT],
  ['bad', [...GROUNDS, 'bad-tint'], TEXT],
  ['wait', ['surface', 'wait-tint'], TEXT],
  ['strong-line', GROUNDS, PART],
];

/** Relative luminance of #rrggbb. */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

describe('the colours of the page', { skip: browserMissing }, () => {
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

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`have enough contrast in the ${colorScheme} theme`, async () => {
      const page = await browser.open(server.url, { colorScheme });
      const names = [...new Set(PAIRS.flatMap(([colour, grounds]) => [colour, ...grounds]))];
      const colours = (await page.evaluate(`{
        const style = getComputedStyle(document.documentElement);
        const entries = ${JSON.stringify(names)}.map((name) => [name, style.getPropertyValue('--' + name)]);
        Object.fromEntries(entries);
      }`)) as Record<string, string>;
      const pale: string[] = [];
      for (const [colour, grounds, minimum] of PAIRS) {
        for (const ground of grounds) {
          const [a = '', b = ''] = [colours[colour], colours[ground]];
          assert.match(`${a}${b}`, /^(#[0-9a-f]{6}){2}$/, `${colour} on ${ground}`);
          const ratio = contrast(a, b);
          if (ratio < minimum) pale.push(`${colour} on ${ground}: ${ratio.toFixed(2)}, needs ${minimum}`);
        }
      }
      assert.deepEqual(pale, []);
      await page.context().close();
    });
  }
});

test('the measure of contrast is that of WCAG', () => {
  assert.equal(contrast('#000000', '#ffffff'), 21);
  assert.equal(contrast('#777777', '#ffffff').toFixed(2), '4.48');
});
