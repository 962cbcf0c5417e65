import type { Row, RowError } from './tabular.ts';

/** The records of a JSON Lines text, one a line; a line that is no JSON is a failed record, so that places are kept. */
export function readJsonLines(text: string): (Row | RowError)[] {
  if (text.trim() === '') return [];
  return text
    .replace(/^\ufeff/, '')
    .replace(/\r?\n$/, '')
    .split('\n')
    .map((line) => {
      try {
        return JSON.parse(line);
      } catch {
        return { error: { code: 'INVALID_REQUEST', message: 'the line is not valid JSON' } };
      }
    });
}
