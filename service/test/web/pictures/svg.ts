import type { Cell } from './screen.ts';

/** Readable on the dark ground in both of GitHub's themes. */
const COLOURS: Readonly<Record<number, string>> = {
  31: '#ff9a8d',
  32: '#7ee2a8',
  33: '#f2c15d',
  36: '#5fd0c3',
  90: '#8b9a98',
};
const [GROUND, TEXT, DIM] = ['#101414', '#e8eeed', '#8b9a98'];
/** Pixels: a monospaced character of 14 pixels is 8.4 wide. */
const [SIZE, WIDE, HIGH, EDGE] = [14, 8.4, 20, 20];

const escapeText = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Lines of a terminal as a picture of text: sharp at any size, and small. */
export function svgOf(lines: readonly (readonly Cell[])[], columns: number, title: string): string {
  const width = Math.ceil(columns * WIDE + 2 * EDGE);
  const height = lines.length * HIGH + 2 * EDGE;
  const texts = lines.flatMap((line, row) => runs(line).map((run) => text(run, EDGE + (row + 0.75) * HIGH)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}">`,
    `<rect width="${width}" height="${height}" rx="12" fill="${GROUND}"/>`,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${SIZE}" fill="${TEXT}" xml:space="preserve">`,
    ...texts,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

interface Run {
  readonly at: number;
  readonly cells: readonly Cell[];
}

/** Neighbours of one look. */
function runs(line: readonly Cell[]): Run[] {
  const lookOf = ({ char: _, ...look }: Cell) => JSON.stringify(look);
  const found: { at: number; cells: Cell[] }[] = [];
  for (const [at, cell] of line.entries()) {
    const last = found.at(-1);
    if (last?.cells[0] && lookOf(last.cells[0]) === lookOf(cell)) last.cells.push(cell);
    else found.push({ at, cells: [cell] });
  }
  return found.filter(({ cells }) => cells.some(({ char }) => char !== ' '));
}

/** The length is given, so that columns stay columns whatever font there is. */
function text({ at, cells }: Run, y: number): string {
  const [first] = cells;
  const colour = first?.colour === undefined ? (first?.isDim ? DIM : undefined) : COLOURS[first.colour];
  const look = [
    colour && `fill="${colour}"`,
    first?.isBold && 'font-weight="700"',
    first?.isUnderlined && 'text-decoration="underline"',
  ].filter(Boolean);
  const x = (EDGE + at * WIDE).toFixed(1);
  const length = (cells.length * WIDE).toFixed(1);
  const content = escapeText(cells.map(({ char }) => char).join(''));
  return `<text x="${x}" y="${y}" textLength="${length}"${look.map((one) => ` ${one}`).join('')}>${content}</text>`;
}
