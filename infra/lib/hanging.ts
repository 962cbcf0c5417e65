/** Formats help text: `left`, then `text` in a column that starts at `column`, wrapped at `width`. */
export function hanging(left: string, text: string, column = 33, width = 100): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && column + last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return `${left.padEnd(column - 1)} ${lines.join(`\n${' '.repeat(column)}`)}`;
}
