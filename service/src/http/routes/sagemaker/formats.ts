import { csvLines } from '../../../domain/csv.ts';
import { AppError } from '../../../domain/errors.ts';
import type { Classification } from '../../../domain/prediction.ts';
import type { RowError, RowPrediction } from '../../../domain/tabular.ts';
import { quality } from '../../runtime/accept.ts';

/** What POST /invocations can answer with. */
const FORMATS = ['application/json', 'application/jsonlines', 'text/csv'] as const;
export type Format = (typeof FORMATS)[number];

/** What one record gets; a failed one of many keeps its place, so that records still join line by line. */
export type RecordAnswer = Classification | RowPrediction | RowError;

/**
 * The format that an Accept header wants most; `natural` when it says nothing, when it wants anything, or among equals.
 *
 * @throws AppError UNSUPPORTED_MEDIA_TYPE when it wants none of ours
 */
export function chooseFormat(accept: string | undefined, natural: Format): Format {
  if (accept === undefined || accept.trim() === '') return natural;
  const ranked = [natural, ...FORMATS.filter((format) => format !== natural)]
    .map((format) => ({ format, q: quality(accept, format) }))
    .sort((a, b) => b.q - a.q);
  const [best] = ranked;
  if (best && best.q > 0) return best.format;
  throw new AppError(
    'UNSUPPORTED_MEDIA_TYPE',
    `answers are ${FORMATS.join(', ')}; ask for one of them in Accept`,
  );
}

/** One line a record and no line break after the last: SageMaker's batch transform puts one there (AssembleWith: Line). */
export function toLines(
  records: readonly RecordAnswer[],
  format: Exclude<Format, 'application/json'>,
): string {
  return records.map((record) => (format === 'text/csv' ? toCsv(record) : JSON.stringify(record))).join('\n');
}

/**
 * A record as CSV, without a header: a regression's value; a row's label and the probability of each class; an image's
 * labels and probabilities in turn, likeliest first; `error,code,message`.
 */
function toCsv(record: RecordAnswer): string {
  if ('error' in record) return line(['error', record.error.code, record.error.message]);
  if ('value' in record) return String(record.value);
  if ('probabilities' in record) return line([record.label, ...Object.values(record.probabilities)]);
  return line(record.predictions.flatMap(({ label, probability }) => [label, probability]));
}

/** A record is one line: line breaks within a cell become spaces. */
const line = (cells: readonly (string | number)[]) =>
  csvLines([cells.map((cell) => (typeof cell === 'string' ? cell.replace(/[\r\n]+/g, ' ') : cell))]).slice(
    0,
    -1,
  );
