import { parse } from 'csv-parse/sync';
import { AppError } from '../domain/errors.ts';
import type { FeatureInfo, Row } from '../domain/tabular.ts';

const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*$/;

/**
 * The rows of a CSV text (RFC 4180, UTF-8, LF or CRLF). A first line that holds exactly the feature names, in any order,
 * is a header, unless the Content-Type says `header=absent`; without one the columns are in the features' order.
 *
 * @returns rows for TabularModel.predict: what reads as a number is one, every other cell stays the text it is
 * @throws AppError INVALID_REQUEST for malformed CSV and, with `at: { column }`, for a header that does not fit; rows that do not are left to the model
 */
export function readCsvRows(
  text: string,
  contentType: string | undefined,
  features: readonly FeatureInfo[],
): Row[] {
  const records = parseCsv(text);
  const header = headerOf(records[0], contentType, features);
  const columns = header ?? features.map(({ name }) => name);
  const byName = new Map(features.map((feature) => [feature.name, feature]));
  return records.slice(header ? 1 : 0).map((record) => {
    // Left to the model, which says so row by row.
    if (record.length !== columns.length) return record;
    const cells = record.map((cell, column) => typed(cell, byName.get(columns[column] as string)));
    return header ? Object.fromEntries(cells.map((cell, column) => [columns[column], cell])) : cells;
  });
}

function parseCsv(text: string): string[][] {
  try {
    return parse(text, { relax_column_count: true, skip_empty_lines: true, bom: true });
  } catch (cause) {
    const { lines } = cause as { lines?: number };
    const where = lines === undefined ? '' : ` near line ${lines}`;
    throw new AppError('INVALID_REQUEST', `the CSV is malformed${where}: check its quotes`, {}, { cause });
  }
}

function headerOf(
  first: readonly string[] | undefined,
  contentType: string | undefined,
  features: readonly FeatureInfo[],
): string[] | undefined {
  const said = /;\s*header\s*=\s*"?(present|absent)"?/i.exec(contentType ?? '')?.[1]?.toLowerCase();
  if (first === undefined || said === 'absent') return undefined;
  const names = first.map((cell) => cell.trim());
  const known = new Set(features.map(({ name }) => name));
  const hits = names.filter((name) => known.has(name)).length;
  // One known name is enough to be meant as a header; categories called like a feature are what header=absent is for.
  if (said !== 'present' && hits === 0) return undefined;
  const at = (column: string) => ({ at: { column } });
  for (const [index, name] of names.entries()) {
    if (!known.has(name)) {
      const message = `the header has ${JSON.stringify(name.slice(0, 128))}, which is not a feature of the model`;
      throw new AppError('INVALID_REQUEST', message, at(name.slice(0, 128)));
    }
    if (names.indexOf(name) !== index) {
      throw new AppError('INVALID_REQUEST', `the header has ${name} twice`, at(name));
    }
  }
  const missing = features.find(({ name }) => !names.includes(name));
  if (missing) throw new AppError('INVALID_REQUEST', `the header lacks ${missing.name}`, at(missing.name));
  return names;
}

const typed = (cell: string, feature: FeatureInfo | undefined): string | number =>
  feature?.type !== 'category' && NUMBER.test(cell) ? Number(cell) : cell;
