import { setImmediate as turn } from 'node:timers/promises';
import pLimit from 'p-limit';
import { Value } from 'typebox/value';
import type { Config } from '../../../config/config.ts';
import { AppError, isAppError } from '../../../domain/errors.ts';
import type { Row, RowError } from '../../../domain/tabular.ts';
import { decodeImage } from '../../body/image-request.ts';
import { cutLongStrings } from '../../body/long-strings.ts';
import { type ClassifyQuery, DEFAULT_TOP_K } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { JsonImage } from '../predict/schema.ts';
import type { RecordAnswer } from './formats.ts';

/** Images of one JSON Lines body that are classified at a time. */
const IMAGES_AT_ONCE = 8;

/** Faults of one record, which answer it. Every other failure fails the request. */
const RECORD_FAULTS = ['INVALID_REQUEST', 'UNREADABLE_IMAGE', 'IMAGE_TOO_LARGE'] as const;

/** Bytes of lines to parse before yielding to the event loop. */
const BYTES_PER_TURN = 256 * 1024;

type RecordLimits = Pick<Config, 'MAX_ROWS' | 'MAX_JSON_BYTES'>;

export interface Records {
  readonly records: readonly (Row | RowError)[];
  /** Strings that cutLongStrings removed from them. */
  readonly longStrings: readonly Buffer[];
}

/**
 * The records of a JSON Lines body, one per line; a line that is not JSON is a failed record in its place.
 *
 * @throws AppError INVALID_REQUEST without any record, PAYLOAD_TOO_LARGE for more than MAX_ROWS
 */
export async function readRecords(body: Buffer, limits: RecordLimits): Promise<Records> {
  const lines = linesOf(body, limits.MAX_ROWS);
  if (lines.length === 0) {
    throw new AppError('INVALID_REQUEST', 'the body has no records; send one per line');
  }
  if (lines.length > limits.MAX_ROWS) {
    const message = `the body has more than ${limits.MAX_ROWS} records; send fewer`;
    throw new AppError('PAYLOAD_TOO_LARGE', message);
  }
  const longStrings: Buffer[] = [];
  const records: (Row | RowError)[] = [];
  let bytes = 0;
  for (const line of lines) {
    records.push(readRecord(line, limits, longStrings));
    bytes += line.length;
    if (bytes < BYTES_PER_TURN) continue;
    bytes = 0;
    await turn();
  }
  return { records, longStrings };
}

function readRecord(line: Buffer, { MAX_JSON_BYTES }: RecordLimits, longStrings: Buffer[]): Row | RowError {
  try {
    return JSON.parse(cutLongStrings(line, MAX_JSON_BYTES, longStrings));
  } catch (error) {
    const message = error instanceof AppError ? error.message : 'the line is not valid JSON';
    return { error: { code: 'INVALID_REQUEST', message } };
  }
}

/** The lines of a body, at most `most` + 1; none if it is blank. Excludes a byte order mark and the end of the last line. */
function linesOf(body: Buffer, most: number): Buffer[] {
  const isMarked = body.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]));
  const lines: Buffer[] = [];
  for (let start = isMarked ? 3 : 0; start < body.length && lines.length <= most; ) {
    const end = body.indexOf(0x0a, start);
    lines.push(body.subarray(start, end < 0 ? body.length : end));
    if (end < 0) break;
    start = end + 1;
  }
  const isBlank = (line: Buffer) => line.length < 64 && line.toString('latin1').trim() === '';
  return lines.every(isBlank) ? [] : lines;
}

/** One classification per record `{"image": "<base64>"}`, in their order; invalid records get an error in their place. */
export async function classifyRecords(
  { records, longStrings }: Records,
  { models, config }: Services,
  { model, topK = DEFAULT_TOP_K }: ClassifyQuery,
  signal: AbortSignal,
): Promise<RecordAnswer[]> {
  const classifier = models.get(model);
  const limit = pLimit(IMAGES_AT_ONCE);
  return Promise.all(
    records.map((record) =>
      limit(async () => {
        if (isFailed(record)) return record;
        return toRecordError(async () => {
          if (!Value.Check(JsonImage, record) || record.image === undefined) {
            throw new AppError('INVALID_REQUEST', 'the record is not {"image": "<base64>"}');
          }
          const image = await decodeImage(record.image, longStrings, config.MAX_IMAGE_BYTES);
          return classifier.classify(image, { topK, signal });
        });
      }),
    ),
  );
}

async function toRecordError(work: () => Promise<RecordAnswer>): Promise<RecordAnswer> {
  try {
    return await work();
  } catch (error) {
    if (!isAppError(error, ...RECORD_FAULTS)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
}

const isFailed = (record: Row | RowError): record is RowError =>
  typeof record === 'object' && record !== null && 'error' in record;
