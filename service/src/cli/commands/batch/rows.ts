import type { ResultRow } from '../../../domain/job/job.ts';
import { unexpectedAnswer, unreachable } from '../../failure.ts';

/** A row of results, as text and parsed. */
export interface ResultLine {
  readonly text: string;
  readonly row: ResultRow;
}

/** Maximum length of a line in characters; a result has at most a few thousand. */
const MAX_LINE = 1024 * 1024;

/**
 * The rows of a response in JSON Lines, as they arrive.
 *
 * @throws CommandError UNREACHABLE if it is truncated, UNEXPECTED_ANSWER if it is not JSON Lines
 */
export async function* readRows(response: Response, signal: AbortSignal): AsyncGenerator<ResultLine> {
  if (!response.body) return;
  const decoder = new TextDecoder();
  let rest = '';
  const parse = (text: string): ResultLine => {
    try {
      return { text, row: JSON.parse(text) as ResultRow };
    } catch (error) {
      throw unexpectedAnswer('a line of the results is not JSON; check --url', error);
    }
  };
  try {
    for await (const part of response.body) {
      const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE) throw unexpectedAnswer('a line of the results is too long; check --url');
      for (const line of lines) if (line !== '') yield parse(line);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof TypeError) throw unreachable('the results are truncated; try again', error);
    throw error;
  }
  if (rest !== '') yield parse(rest);
}
