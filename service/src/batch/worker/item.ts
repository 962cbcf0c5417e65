import pRetry from 'p-retry';
import { AppError, isAppError } from '../../domain/errors.ts';
import { ITEM_FAULTS, type ResultKind, type ResultRow, type ShardInput } from '../../domain/job/job.ts';
import { outputKey } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { createObject } from '../documents.ts';
import type { ItemClassifier } from './item-classifier.ts';

/** The object is not the version that the job was created for; its replacement gets a job of its own. */
const VERSION_GONE = ['OBJECT_NOT_FOUND', 'OBJECT_CHANGED'];

/** Retries of one classification if the engine fails or its queue is full, after 100, 200 and 400 ms. */
const CLASSIFY_RETRIES = { retries: 3, minTimeout: 100 };
const RETRYABLE = ['ENGINE_FAILED', 'OVERLOADED', 'MODEL_NOT_READY'] as const;

export interface ItemContext {
  readonly objects: ObjectStore;
  readonly classifier: ItemClassifier;
  readonly topK: number;
  readonly results: ResultKind;
  readonly maxImageBytes: number;
  readonly signal: AbortSignal;
  /** This input killed its worker process; it gets an error row without another attempt. */
  readonly isCrasher: boolean;
}

/** The same text for every cause, so that the row does not depend on the attempt that writes it. */
const CRASHED = 'the worker process crashed or hung twice while it processed only this input';

/**
 * Reads the pinned version of one input, classifies it and, unless the job wants rows only, writes its output object.
 *
 * @returns its row, always the same for the same bytes
 * @throws AppError for faults of the system (store unavailable, engine failed)
 */
export async function classifyItem(input: ShardInput, context: ItemContext): Promise<ResultRow> {
  const row = await makeRow(input, context);
  if (context.results === 'objects') await writeOutput(row, context);
  return row;
}

async function makeRow(input: ShardInput, context: ItemContext): Promise<ResultRow> {
  const identity = { key: input.key, ...(input.etag === undefined ? {} : { etag: input.etag }) };
  try {
    if (context.isCrasher) throw new AppError('WORKER_CRASHED', CRASHED);
    const bytes = await context.objects.get(input.key, {
      ...(input.etag === undefined ? {} : { etag: input.etag }),
      maxBytes: context.maxImageBytes,
      signal: context.signal,
    });
    const { model, version, predictions } = await classify(bytes, context);
    return { ...identity, model, version, predictions };
  } catch (error) {
    if (!isAppError(error, ...ITEM_FAULTS)) throw error;
    return { ...identity, error: { code: error.code, message: error.message } };
  }
}

function classify(bytes: Uint8Array, { classifier, topK, signal }: ItemContext) {
  return pRetry(() => classifier.classify(bytes, { topK, signal }), {
    ...CLASSIFY_RETRIES,
    signal,
    shouldRetry: ({ error }) => isAppError(error, ...RETRYABLE),
  });
}

/**
 * Creates the output; replaces an existing one only while the input is still the version that was classified. So an
 * older job does not overwrite the result of a newer one.
 */
async function writeOutput(row: ResultRow, { objects }: ItemContext): Promise<void> {
  const key = outputKey(row.key);
  if (key === undefined) return;
  const body = `${JSON.stringify(row)}\n`;
  const contentType = 'application/json';
  try {
    if (await createObject(objects, key, body, contentType)) return;
  } catch (error) {
    // A folder cannot hold a name of more than 255 bytes, `.json` included: the result is in the job's rows only.
    if (isAppError(error, 'INVALID_REQUEST')) return;
    throw error;
  }
  if (row.error && VERSION_GONE.includes(row.error.code)) return;
  if (await isCurrent(objects, row)) await objects.put(key, body, { contentType });
}

async function isCurrent(objects: ObjectStore, row: ResultRow): Promise<boolean> {
  try {
    return (await objects.head(row.key)).etag === row.etag;
  } catch (error) {
    if (isAppError(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}
