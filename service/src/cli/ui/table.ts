import Table from 'cli-table3';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** One row; `tail` follows the last cell and widens no column. */
export interface Row {
  readonly cells: readonly string[];
  readonly tail?: string;
}

const none = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    ['', '-mid', '-left', '-right'].map((end) => [side + end, '']),
  ),
);

/** Columns without lines, each after two spaces; cells may have colours. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly Row[],
  title = (text: string) => text,
): string {
  const table = new Table({
    head: columns.map((column) => title(column.title)),
    chars: { ...none, middle: '' },
    colAligns: columns.map(({ align = 'left' }) => align),
    style: { head: [], border: [], 'padding-left': 2, 'padding-right': 0 },
  });
  for (const { cells } of rows) table.push([...cells]);
  // One line per row: no cell has a line break.
  const [heading = '', ...lines] = table.toString().split('\n');
  const all = [heading, ...lines.map((line, at) => `${line.trimEnd()}${rows[at]?.tail ?? ''}`)];
  return all.map((line) => `${line.trimEnd()}\n`).join('');
}
