import Papa from 'papaparse';
import type { ResultRow } from './job/job.ts';
import type { RowClass, RowError, RowValue } from './tabular.ts';

/** Starts of a text that a spreadsheet would run as a formula; such a cell gets an apostrophe in front (OWASP: CSV injection). */
const FORMULA = /^\s*[=+\-@＝＋－＠|]|^[\t\r\n]/;

type Cell = string | number | undefined;

/** Lines of CSV (RFC 4180 quoting, LF), safe to open in a spreadsheet. Numbers stay as they are. */
export const csvLines = (lines: readonly (readonly Cell[])[]): string =>
  lines.length === 0 ? '' : `${Papa.unparse([...lines], { newline: '\n', escapeFormulae: FORMULA })}\n`;

const alternatives = <T>(topK: number, cells: (rank: number) => T[]): T[] =>
  Array.from({ length: Math.max(0, topK - 1) }, (_, at) => cells(at + 2)).flat();

/** The header of a job's results: ten columns, then the further classes of a job with `topK` classes per image. */
export const resultHeader = (topK: number): string =>
  csvLines([
    [
      ...['key', 'row', 'label', 'index', 'probability', 'value', 'model', 'version'],
      ...['error_code', 'error_message'],
      ...alternatives(topK, (rank) => [`label_${rank}`, `probability_${rank}`]),
    ],
  ]);

/** Results as CSV: one line per image; for a file of rows, one line per row, counted from 1. */
export const resultLines = (results: readonly ResultRow[], topK: number): string =>
  csvLines(results.flatMap((result) => cellsOf(result, topK)));

type Answer = Partial<Pick<RowClass, 'label' | 'index' | 'probability'> & RowValue & RowError>;

function cellsOf({ key, model, version, error, predictions = [] }: ResultRow, topK: number): Cell[][] {
  const line = (row: number | undefined, first: Answer, others: readonly Answer[] = []): Cell[] => [
    ...[key, row, first.label, first.index, first.probability, first.value, model, version],
    ...[first.error?.code, first.error?.message],
    ...alternatives(topK, (rank) => [others[rank - 1]?.label, others[rank - 1]?.probability]),
  ];
  if (error) return [line(undefined, { error })];
  // Only predictions of rows have all probabilities, or no class at all.
  const isTable = predictions.some((each) => !('index' in each) || 'probabilities' in each);
  if (isTable) return predictions.map((each, index) => line(index + 1, each));
  return [line(undefined, predictions[0] ?? {}, predictions as readonly Answer[])];
}
