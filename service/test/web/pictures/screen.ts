/** One character with its look; colours are those of SGR 30-37 and 90-97. */
export interface Cell {
  readonly char: string;
  readonly colour?: number;
  readonly isBold?: boolean;
  readonly isDim?: boolean;
  readonly isUnderlined?: boolean;
}
type Look = Omit<Cell, 'char'>;

/** A control sequence (CSI), a two-byte escape, or one character. */
const TOKEN = /\u001b\[([?\d;]*)([A-Za-z])|\u001b([78=>])|([\s\S])/gu;

/**
 * What a terminal shows after `text` was written to it: as much of one as our programs use, which is colours, returning to
 * the start of the line, moving along it and up, and erasing it.
 *
 * @returns lines of cells, without empty ones at the end
 */
export function screenOf(text: string): Cell[][] {
  const lines: Cell[][] = [[]];
  let [row, column] = [0, 0];
  let saved = [0, 0];
  let look: Look = {};
  for (const [, parameters = '', command, saving, char] of text.matchAll(TOKEN)) {
    const count = Number(parameters.split(';')[0]) || 0;
    const line = lines[row] ?? [];
    lines[row] = line;
    if (char === '\r') column = 0;
    else if (char === '\n') row += 1;
    else if (char !== undefined) {
      while (line.length < column) line.push({ char: ' ' });
      line[column] = { char, ...look };
      column += 1;
    } else if (saving === '7') saved = [row, column];
    else if (saving === '8') [row = 0, column = 0] = saved;
    else if (command === 'm') look = parameters.split(';').reduce(styled, look);
    else if (command === 'G') column = Math.max(0, count - 1);
    else if (command === 'A') row = Math.max(0, row - Math.max(1, count));
    else if (command === 'K') lines[row] = count === 2 ? [] : line.slice(0, column);
    else if (command === 'J') {
      lines[row] = line.slice(0, column);
      lines.length = row + 1;
    }
  }
  while (lines.length > 0 && (lines.at(-1) ?? []).every(({ char }) => char === ' ')) lines.pop();
  return Array.from(lines, (line) => line ?? []);
}

function styled(look: Look, parameter: string): Look {
  const code = Number(parameter) || 0;
  const { colour: _, ...plain } = look;
  if (code === 0) return {};
  if (code === 1) return { ...look, isBold: true };
  if (code === 2) return { ...look, isDim: true };
  if (code === 4) return { ...look, isUnderlined: true };
  if (code === 22) return { ...look, isBold: false, isDim: false };
  if (code === 24) return { ...look, isUnderlined: false };
  if (code === 39) return plain;
  return (code >= 30 && code <= 37) || (code >= 90 && code <= 97) ? { ...plain, colour: code } : look;
}
