import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import picocolors from 'picocolors';
import { startProgress } from '../../src/cli/ui/progress.ts';
import { until } from '../helpers/until.ts';

test('work done before the first update does not count into the rate', async (t) => {
  const screen = new PassThrough();
  let drawn = '';
  screen.on('data', (text: Buffer) => (drawn += text));
  const live = Object.assign(screen, { isTTY: true, columns: 120 }) as unknown as NodeJS.WriteStream;
  const errColours = picocolors.createColors(false);
  const progress = startProgress({ live, errColours }, { doing: 'classifying', total: 0, unit: 'images' });
  t.after(() => progress.stop());

  progress.update(500_000, 1_000_000);
  await until('the bar', () => drawn.includes('500,000 of 1,000,000'));
  assert.doesNotMatch(drawn, /left/);
  progress.update(500_010, 1_000_000);
  await until('a rate', () => /500,010 of 1,000,000 · [0-9.]+\/s · .+ left/.test(drawn));
});
