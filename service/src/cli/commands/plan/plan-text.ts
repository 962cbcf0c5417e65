import { describeSize } from '../../../domain/estimate/picture-size.ts';
import type { Plan } from '../../../domain/estimate/plan.ts';
import { formatDollars, formatDuration, formatNumber, plural } from '../../../domain/format.ts';
import { renderTable } from '../../ui/table.ts';
import type { Terminal } from '../../ui/terminal.ts';

/** A plan as text: the estimates as a table, then their arithmetic. */
export function renderPlan({ colours }: Terminal, plan: Plan): string {
  const { images, size, speed, prices, estimates, notes } = plan;
  const title = `${plural(images, 'image')} of ${describeSize(size)}`;
  const rows = estimates.map(({ where, seconds, usd }) => ({
    cells: [
      where,
      formatDuration(seconds),
      usd === null ? colours.dim('none') : colours.bold(formatDollars(usd)),
      usd === null ? '' : colours.dim(formatDollars((usd / images) * 1000)),
    ],
  }));
  const table = renderTable(
    [
      { title: 'where' },
      { title: 'time', align: 'right' },
      { title: 'cost', align: 'right' },
      { title: 'per 1,000', align: 'right' },
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
    `  ${colours.dim(`speed: ${formatNumber(1 / speed.here.batchSeconds)} images/s, ${speed.here.source}`)}\n`,
    `  ${colours.dim(`prices: ${prices.region}, US dollars, recorded on ${prices.recordedOn}; check them at https://calculator.aws`)}\n\n`,
    table,
    ...arithmetic,
    `\n${notes.map((note) => `  ${colours.yellow('note')}   ${note}\n`).join('')}`,
  ].join('');
}
