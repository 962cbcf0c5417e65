import { parse } from 'csv-parse/sync';
import { AppError } from '../../domain/errors.ts';
import type { FeatureInfo, Row } from '../../domain/tabular.ts';

/** Linear in the length of the cell: no two adjacent quantifiers match the same character. */
const NUMBER = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*$/;

/** Longest cell that is parsed as a number, in characters; names and categories are shorter too. */
const MAX_CELL = 1024;
/** Longest line, in characters; tables with many features get more. */
const MIN_LINE = 65_536;
/** Quotes and comma around a cell. */
const CELL_OVERHEAD = 3;

/**
 * Parses CSV (RFC 4180, UTF-8, LF or CRLF). If the first line holds exactly the feature names, in any order, it is a
 * header, unless the Content-Type has `header=absent`. Without a header the columns are in the order of the features.
 *
 * @param maxRows parsing stops at the first row above it
 * @returns unchecked rows for TabularModel.predict; cells of numeric features that look like numbers are parsed
 * @throws AppError INVALID_REQUEST for malformed CSV, for a line that is too long and, with `at: { column }`, for a
 *   header that does not match the features; PAYLOAD_TOO_LARGE for too many rows
 */
export function readCsvRows(
  text: string,
  contentType: string | undefined,
  features: readonly FeatureInfo[],
  maxRows = Number.POSITIVE_INFINITY,
): Row[] {
  const maxLine = Math.max(MIN_LINE, features.length * (MAX_CELL + CELL_OVERHEAD));
  checkLines(text, maxLine);
  // One more for the header, and one to detect that there are too many.
  const records = parseCsv(text, { maxRecord: maxLine, maxRecords: maxRows + 2 });
  const header = headerOf(records[0], contentType, features);
  const columns = header ?? features.map(({ name }) => name);
  const byName = new Map(features.map((feature) => [feature.name, feature]));
  const rows = header ? records.slice(1) : records;
  if (rows.length > maxRows) {
    throw new AppError('PAYLOAD_TOO_LARGE', `the CSV has more than ${maxRows} rows; send fewer`);
  }
  return rows.map((record) => {
    // The model reports a row of the wrong length.
    if (record.length !== columns.length) return record;
    const cells = record.map((cell, column) => typed(cell, byName.get(columns[column] as string)));
    return header ? Object.fromEntries(cells.map((cell, column) => [columns[column], cell])) : cells;
  });
}

/** The parser bounds the length of a record but not its number of cells: a line of commas would become millions of them. */
function checkLines(text: string, maxLine: number): void {
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    const end = text.indexOf('\n', start);
    if ((end < 0 ? text.length : end) - start > maxLine) throw tooLong(line, maxLine);
    if (end < 0) return;
    start = end + 1;
  }
}

const tooLong = (line: number, maxLine: number) =>
  new AppError('INVALID_REQUEST', `line ${line} of the CSV has more than ${maxLine} characters`);

function parseCsv(text: string, limits: { maxRecord: number; maxRecords: number }): string[][] {
  try {
    return parse(text, {
      relax_column_count: true,
      skip_empty_lines: true,
      bom: true,
      max_record_size: limits.maxRecord,
      ...(Number.isFinite(limits.maxRecords) ? { to: limits.maxRecords } : {}),
    });
  } catch (cause) {
    const { code, lines = 1 } = cause as { code?: string; lines?: number };
    if (code === 'CSV_MAX_RECORD_SIZE') throw tooLong(lines, limits.maxRecord);
    const where = ` near line ${lines}`;
    throw new AppError('INVALID_REQUEST', `the CSV is malformed${where}: check its quotes`, {}, { cause });
  }
}

function headerOf(
  first: readonly string[] | undefined,
  contentType: string | undefined,
  features: readonly FeatureInfo[],
): string[] | undefined {
  const declared = /;\s*header\s*=\s*"?(present|absent)"?/i.exec(contentType ?? '')?.[1]?.toLowerCase();
  if (first === undefined || declared === 'absent') return undefined;
  const names = first.map((cell) => cell.trim());
  const known = new Set(features.map(({ name }) => name));
  const hits = names.filter((name) => known.has(name)).length;
  // One known name makes it a header. If a category has the name of a feature, clients send header=absent.
  if (declared !== 'present' && hits === 0) return undefined;
  const at = (column: string) => ({ at: { column } });
  const seen = new Set<string>();
  for (const name of names) {
    if (!known.has(name)) {
      const message = `the header has ${JSON.stringify(name.slice(0, 128))}, which is not a feature of the model`;
      throw new AppError('INVALID_REQUEST', message, at(name.slice(0, 128)));
    }
    if (seen.has(name)) throw new AppError('INVALID_REQUEST', `the header has ${name} twice`, at(name));
    seen.add(name);
  }
  const missing = features.find(({ name }) => !seen.has(name));
  if (missing) throw new AppError('INVALID_REQUEST', `the header lacks ${missing.name}`, at(missing.name));
  return names;
}

const typed = (cell: string, feature: FeatureInfo | undefined): string | number =>
  feature?.type !== 'category' && cell.length <= MAX_CELL && NUMBER.test(cell) ? Number(cell) : cell;
