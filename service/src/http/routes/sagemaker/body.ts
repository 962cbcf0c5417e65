import { setImmediate as turn } from 'node:timers/promises';
import pLimit from 'p-limit';
import { Value } from 'typebox/value';
import type { Classifier } from '../../../domain/classifier.ts';
import { AppError, isAppError } from '../../../domain/errors.ts';
import type { Row, RowError } from '../../../domain/tabular.ts';
import { decodeBase64 } from '../../body/base64.ts';
import { cutLongStrings, longStringOf } from '../../body/long-strings.ts';
import { JsonImage } from '../predict/schema.ts';
import type { RecordAnswer } from './formats.ts';

/** Images of one JSON Lines body that are at work at once. */
const IMAGES_AT_ONCE = 8;

/** The client's own faults: each is the answer to its record. Every other failure fails the request. */
const RECORD_FAULTS = ['INVALID_REQUEST', 'UNREADABLE_IMAGE', 'IMAGE_TOO_LARGE'] as const;

/** Bytes of lines that are parsed before others get their turn. */
const BYTES_PER_TURN = 256 * 1024;

export interface RecordLimits {
  readonly maxRecords: number;
  /** Most bytes of one record besides its image. */
  readonly maxJsonBytes: number;
}

export interface Records {
  readonly records: readonly (Row | RowError)[];
  /** What cutLongStrings took out of them. */
  readonly longStrings: readonly Buffer[];
}

/**
 * The records of a JSON Lines body, one per line; a line that is no JSON is a failed record, so that places are kept.
 *
 * @throws AppError when there are none, or too many
 */
export async function readRecords(body: Buffer, limits: RecordLimits): Promise<Records> {
  const lines = linesOf(body, limits.maxRecords);
  if (lines.length === 0) {
    throw new AppError('INVALID_REQUEST', 'the body has no records; send one a line');
  }
  if (lines.length > limits.maxRecords) {
    const message = `the body has more than ${limits.maxRecords} records; send fewer`;
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

function readRecord(line: Buffer, { maxJsonBytes }: RecordLimits, longStrings: Buffer[]): Row | RowError {
  try {
    return JSON.parse(cutLongStrings(line, maxJsonBytes, longStrings));
  } catch (error) {
    const message = error instanceof AppError ? error.message : 'the line is not valid JSON';
    return { error: { code: 'INVALID_REQUEST', message } };
  }
}

/** The lines of a body up to the first one too many; none for one that is blank. A byte order mark and the last line's end are no part of them. */
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

/** One classification a record `{"image": "<base64>"}`, in their order; records that do not fit get an error in their place. */
export async function classifyRecords(
  { records, longStrings }: Records,
  classifier: Classifier,
  topK: number,
  signal: AbortSignal,
): Promise<RecordAnswer[]> {
  const limit = pLimit(IMAGES_AT_ONCE);
  return Promise.all(
    records.map((record) =>
      limit(async () => {
        if (isFailed(record)) return record;
        return orFailed(async () => {
          if (!Value.Check(JsonImage, record) || record.image === undefined) {
            throw new AppError('INVALID_REQUEST', 'the record is not {"image": "<base64>"}');
          }
          const image = await decodeBase64(longStringOf(record.image, longStrings));
          return classifier.classify(image, { topK, signal });
        });
      }),
    ),
  );
}

async function orFailed(work: () => Promise<RecordAnswer>): Promise<RecordAnswer> {
  try {
    return await work();
  } catch (error) {
    if (!isAppError(error, ...RECORD_FAULTS)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
}

const isFailed = (record: Row | RowError): record is RowError =>
  typeof record === 'object' && record !== null && 'error' in record;
