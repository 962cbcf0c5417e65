import Papa from 'papaparse';
import { type FlatRow, flattenRow } from './flat-rows.ts';
import type { ResultRow } from './job/job.ts';

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
  csvLines(results.flatMap((result) => [...flattenRow(result)].map((line) => cellsOf(line, topK))));

function cellsOf({ key, row, error, model, version, classes = [], ...first }: FlatRow, topK: number): Cell[] {
  const others = row === undefined ? classes : [];
  return [
    ...[key, row, first.label, first.index, first.probability, first.value, model, version],
    ...[error?.code, error?.message],
    ...alternatives(topK, (rank) => [others[rank - 1]?.label, others[rank - 1]?.probability]),
  ];
}
