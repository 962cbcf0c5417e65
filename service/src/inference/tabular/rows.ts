import type { Feature } from '../../../../models/manifest.ts';
import { AppError } from '../../domain/errors.ts';
import type { Row } from '../../domain/tabular.ts';

/** Larger integers are not exact in float32, the type of the engine's input. */
const LARGEST_INTEGER = 2 ** 24;

/**
 * Returns a function that checks rows and writes them into a new matrix, float32, shape [rows, features]; a category
 * becomes its position in the manifest's list.
 *
 * @throws AppError INVALID_REQUEST with `at: { row, column }`; rows count from 1, columns have names
 */
export function createRowReader(
  features: readonly Feature[],
): (rows: readonly Row[], firstRow?: number) => Float32Array {
  const names = new Set(features.map(({ name }) => name));
  const positions = features.map(
    ({ categories }) => new Map((categories ?? []).map((category, index) => [category, index])),
  );

  function cellsOf(row: Row, number: number): readonly unknown[] {
    if (Array.isArray(row)) {
      if (row.length === features.length) return row;
      const message = `row ${number} has ${row.length} values instead of ${features.length} (${list(features)})`;
      throw new AppError('INVALID_REQUEST', message, { at: { row: number } });
    }
    if (typeof row !== 'object' || row === null) {
      const message = `row ${number} is neither an array nor an object`;
      throw new AppError('INVALID_REQUEST', message, { at: { row: number } });
    }
    for (const name of Object.keys(row)) {
      if (!names.has(name)) {
        throw fault(number, name.slice(0, 128), `is unknown; the model takes ${list(features)}`);
      }
    }
    const record = row as Readonly<Record<string, unknown>>;
    return features.map(({ name }) => (Object.hasOwn(record, name) ? record[name] : undefined));
  }

  return (rows, firstRow = 1) => {
    const matrix = new Float32Array(rows.length * features.length);
    rows.forEach((row, index) => {
      const number = firstRow + index;
      const cells = cellsOf(row, number);
      features.forEach((feature, column) => {
        const cell = cells[column];
        const value =
          feature.type === 'category'
            ? categoryOf(cell, feature, positions[column] as Map<string, number>, number)
            : numberOf(cell, feature, number);
        matrix[index * features.length + column] = value;
      });
    });
    return matrix;
  };
}

function numberOf(cell: unknown, { name, type, minimum, maximum }: Feature, row: number): number {
  if (cell === undefined || cell === null || cell === '') throw fault(row, name, 'is missing');
  if (typeof cell !== 'number' || !Number.isFinite(Math.fround(cell))) {
    throw fault(row, name, `is ${shown(cell)}, not a finite number`);
  }
  if (type === 'integer' && (!Number.isInteger(cell) || Math.abs(cell) > LARGEST_INTEGER)) {
    throw fault(row, name, `is ${cell}, not an integer of at most ${LARGEST_INTEGER}`);
  }
  if (minimum !== undefined && cell < minimum) throw fault(row, name, `is ${cell}, below ${minimum}`);
  if (maximum !== undefined && cell > maximum) throw fault(row, name, `is ${cell}, above ${maximum}`);
  return cell;
}

function categoryOf(
  cell: unknown,
  { name, categories = [] }: Feature,
  positions: ReadonlyMap<string, number>,
  row: number,
): number {
  if (cell === undefined || cell === null) throw fault(row, name, 'is missing');
  const position = typeof cell === 'string' ? positions.get(cell) : undefined;
  if (position !== undefined) return position;
  const some = categories.slice(0, 10).map(shown).join(', ');
  const more = categories.length > 10 ? `, … (${categories.length} in total)` : '';
  throw fault(row, name, `is ${shown(cell)}, not one of ${some}${more}`);
}

const fault = (row: number, column: string, what: string) =>
  new AppError('INVALID_REQUEST', `row ${row}: ${column} ${what}`, { at: { row, column } });

/** A value as JSON of at most 64 characters; NaN and Infinity as such. */
function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 64 ? `${text.slice(0, 63)}…` : text;
}

function list(features: readonly Feature[]): string {
  const names = features.slice(0, 10).map(({ name }) => name);
  return features.length > 10 ? `${names.join(', ')}, … (${features.length} in total)` : names.join(', ');
}
