import { PRICES } from '../../domain/prices.ts';
import { formatCount, formatDollars, formatDuration, formatNumber } from '../format.ts';
import { renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { Estimate } from './estimate.ts';
import { describeSize } from './picture-size.ts';
import type { PlanOptions } from './plan.ts';
import type { Speed } from './speed.ts';

/** What goes through API Gateway to Lambda: 6 MB with base64 around it, 10 MB at the gateway. */
const MAX_LAMBDA_IMAGE_BYTES = 4.5e6;

/** What the figures leave out, and what will not work. */
export function notesOn({ size, memory, architecture }: PlanOptions, here: Speed, aws: Speed): string[] {
  const notes: string[] = [];
  if (aws !== here) {
    notes.push(
      `AWS rows use the documented float32 speed: ${here.engine} ${here.precision} is not what runs there`,
    );
  }
  notes.push(
    'times on AWS take speed to grow with vCPUs, and leave out upload and cold starts; measure there before you rely on it',
  );
  if (size.bytes > MAX_LAMBDA_IMAGE_BYTES) {
    notes.push(
      'files over 4.5 MB do not fit through API Gateway to Lambda: make them smaller, or use a batch job',
    );
  }
  if (memory < 1024) notes.push('the model needs about 1,024 MB of Lambda memory');
  if (architecture === 'arm64') notes.push('the speeds were measured on x86_64');
  return notes;
}

/** The plan for people: the outcome as a table, then how each line of it comes about. */
export function renderPlan(
  { colours }: Terminal,
  { images, size }: PlanOptions,
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
