import type { FastifyRequest } from 'fastify';
import { csvLines } from '../../../domain/csv.ts';
import { AppError } from '../../../domain/errors.ts';
import type { Classification } from '../../../domain/prediction.ts';
import type { RowError, RowPrediction } from '../../../domain/tabular.ts';

/** What POST /invocations can answer with. */
const FORMATS = ['application/json', 'application/jsonlines', 'text/csv'] as const;
type Format = (typeof FORMATS)[number];

/** The answer to one record; a failed one keeps its place, so that answers join with records line by line. */
export type RecordAnswer = Classification | RowPrediction | RowError;

/**
 * The format that the Accept header prefers; among equals, and without the header, the type of the body or else JSON.
 *
 * @throws AppError UNSUPPORTED_MEDIA_TYPE if the header accepts none of them
 */
export function chooseFormat(request: FastifyRequest, bodyType: string | undefined): Format {
  const natural = FORMATS.filter((format) => format === bodyType);
  const format = request.accepts().type([...natural, ...FORMATS]);
  if (format !== false) return format as Format;
  throw new AppError(
    'UNSUPPORTED_MEDIA_TYPE',
    `none of the types in Accept is available; available: ${FORMATS.join(', ')}`,
  );
}

/** One line per record and no line break after the last: SageMaker's batch transform adds it (AssembleWith: Line). */
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
