import pLimit from 'p-limit';
import { Value } from 'typebox/value';
import type { Classifier } from '../domain/classifier.ts';
import { AppError, isAppError } from '../domain/errors.ts';
import { readJsonLines } from '../domain/json-lines.ts';
import type { Row, RowError } from '../domain/tabular.ts';
import { decodeBase64 } from './base64.ts';
import type { RecordAnswer } from './invocation-formats.ts';
import { JsonImage } from './predict-schemas.ts';

/** Images of one JSON Lines body that are at work at once. */
const IMAGES_AT_ONCE = 8;

/** The client's own faults: each is the answer to its record. Every other failure fails the request. */
const RECORD_FAULTS = ['INVALID_REQUEST', 'UNREADABLE_IMAGE', 'IMAGE_TOO_LARGE'] as const;

/** The records of a JSON Lines body. @throws AppError when there are none, or more than `most` */
export function readRecords(text: string, most: number): (Row | RowError)[] {
  const records = readJsonLines(text);
  if (records.length === 0) {
    throw new AppError('INVALID_REQUEST', 'the body has no records; send one a line');
  }
  if (records.length > most) {
    throw new AppError('PAYLOAD_TOO_LARGE', `${records.length} records are more than ${most}; send fewer`);
  }
  return records;
}

/** One classification a record `{"image": "<base64>"}`, in their order; records that do not fit get an error in their place. */
export async function classifyRecords(
  records: readonly (Row | RowError)[],
  classifier: Classifier,
  topK: number,
  signal: AbortSignal,
): Promise<RecordAnswer[]> {
  const limit = pLimit(IMAGES_AT_ONCE);
  return Promise.all(
    records.map((record) =>
      limit(async () => {
        if (isFailed(record)) return record;
        return orFailed(() => {
          if (!Value.Check(JsonImage, record) || record.image === undefined) {
            throw new AppError('INVALID_REQUEST', 'the record is not {"image": "<base64>"}');
          }
          return classifier.classify(decodeBase64(record.image), { topK, signal });
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
