import type { ResultRow } from '../../../domain/job/job.ts';
import type { RowClass, RowError, RowValue } from '../../../domain/tabular.ts';
import { unexpectedAnswer, unreachable } from '../../failure.ts';

/** A row of results as it came, and what it says. */
export interface ResultLine {
  readonly text: string;
  readonly row: ResultRow;
}

/** Longest line that is taken, in characters; a real one has at most a few thousand. */
const MAX_LINE = 1024 * 1024;

/**
 * The rows of an answer in JSON Lines, as they arrive.
 *
 * @throws CommandError UNREACHABLE when it breaks off, UNEXPECTED_ANSWER when it is something else
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
    if (error instanceof TypeError) throw unreachable('the results broke off; ask for them again', error);
    throw error;
  }
  if (rest !== '') yield parse(rest);
}

export const CSV_HEADER = 'key,row,label,index,probability,value,model,version,error_code,error_message\n';

/**
 * A result as lines of CSV (RFC 4180 quoting). An image is one line: its likeliest class, or its error. A file of rows is
 * one line a row, counted from 1: its class or its value, or its error.
 */
export function csvLines({ key, predictions = [], model, version, error }: ResultRow): string {
  const line = (row: number | '', answer: Partial<Answer>) =>
    [
      key,
      row,
      answer.label,
      answer.index,
      answer.probability,
      answer.value,
      model,
      version,
      answer.error?.code,
      answer.error?.message,
    ]
      .map((cell) => quote(cell ?? ''))
      .join(',');
  if (error) return `${line('', { error })}\n`;
  const isTable = predictions.some((each) => !('index' in each) || 'probabilities' in each);
  if (isTable) return predictions.map((each, index) => `${line(index + 1, each)}\n`).join('');
  return `${line('', predictions[0] ?? {})}\n`;
}

/** What may stand in a line: a class, a value or an error. */
type Answer = Pick<RowClass, 'label' | 'index' | 'probability'> & RowValue & RowError;

function quote(cell: string | number): string {
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
