import type { Estimate } from '../../../domain/estimate/estimate.ts';
import { describeSize, type PictureSize } from '../../../domain/estimate/picture-size.ts';
import { PRICES } from '../../../domain/estimate/prices.ts';
import type { Speed } from '../../../domain/estimate/speed.ts';
import { formatCount, formatDollars, formatDuration, formatNumber } from '../../../domain/format.ts';
import { renderTable } from '../../ui/table.ts';
import type { Terminal } from '../../ui/terminal.ts';

/** The plan for people: the outcome as a table, then how each line of it comes about. */
export function renderPlan(
  { colours }: Terminal,
  { images, size }: { readonly images: number; readonly size: PictureSize },
  here: Speed,
  estimates: readonly Estimate[],
  notes: readonly string[],
): string {
  const title = `${formatCount(images)} ${images === 1 ? 'picture' : 'pictures'} of ${describeSize(size)}`;
  const rows = estimates.map(({ where, seconds, usd }) => ({
    cells: [
      where,
      formatDuration(seconds),
      usd === null ? colours.dim('yours') : colours.bold(formatDollars(usd)),
      usd === null ? '' : colours.dim(formatDollars((usd / images) * 1000)),
    ],
  }));
  const table = renderTable(
    [
      { title: 'where' },
      { title: 'time', align: 'right' },
      { title: 'cost', align: 'right' },
      { title: 'a thousand', align: 'right' },
    ],
    rows,
    colours.dim,
  );
  const arithmetic = estimates.map(
    ({ where, arithmetic: lines }) =>
      `\n  ${colours.bold(where)}\n${lines.map((line) => `    ${colours.dim(line.slice(0, 7))}${line.slice(7)}\n`).join('')}`,
  );
  return [
    `\n  ${colours.bold(title)}\n`,
    `  ${colours.dim(`speed: ${formatNumber(1 / here.batchSeconds)} images/s, ${here.source}`)}\n`,
    `  ${colours.dim(`prices: ${PRICES.region}, US dollars, recorded on ${PRICES.recordedOn}; check them at https://calculator.aws`)}\n\n`,
    table,
    ...arithmetic,
    `\n${notes.map((note) => `  ${colours.yellow('note')}   ${note}\n`).join('')}`,
  ].join('');
}
