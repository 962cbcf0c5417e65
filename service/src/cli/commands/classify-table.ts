import type { Classification } from '../../domain/prediction.ts';
import { printable } from '../../domain/printable.ts';
import { formatBar, formatPercent, shorten } from '../ui/format.ts';
import { type Row, renderTable } from '../ui/table.ts';
import type { Terminal } from '../ui/terminal.ts';

/** A line of `--json`: the classification of an image, or its error. */
export interface ClassifyRow extends Partial<Classification> {
  /** The path as named or found in a folder; `-` for stdin. */
  readonly file: string;
  /** Reading, request and retries, in milliseconds. */
  readonly elapsedMs?: number;
  readonly error?: { readonly code: string; readonly message: string };
}

const BAR_WIDTH = 10;
/** Width of all columns but the file's name. */
const BESIDE_NAME = 56;

const COLUMNS = [
  { title: 'file' },
  { title: 'label' },
  { title: 'probability', align: 'right' },
  { title: 'ms', align: 'right' },
] as const;

/** One line per class of each image, or one line with an image's error. */
export function renderRows(rows: readonly ClassifyRow[], terminal: Terminal): string {
  const { colours, isTerminal, columns } = terminal;
  const nameWidth = columns === undefined ? Number.POSITIVE_INFINITY : Math.max(12, columns - BESIDE_NAME);
  const lines: Row[] = [];
  for (const { file, error, predictions = [], elapsedMs } of rows) {
    const name = shorten(printable(file), nameWidth);
    if (error) {
      const cells = [name, colours.red(error.code), '', ''];
      lines.push({ cells, tail: `  ${printable(error.message)}` });
      continue;
    }
    predictions.forEach(({ label, probability }, rank) => {
      const text = printable(label);
      const percent = formatPercent(probability);
      const bar = isTerminal ? `${colours.cyan(formatBar(probability, BAR_WIDTH))} ` : '';
      const cells = [
        rank === 0 ? name : '',
        rank === 0 ? colours.bold(text) : text,
        `${bar}${percent.padStart(7)}`,
        rank === 0 ? colours.dim(String(elapsedMs ?? '')) : '',
      ];
      lines.push({ cells });
    });
  }
  return `${isTerminal ? '\n' : ''}${renderTable(COLUMNS, lines, colours.dim)}`;
}
