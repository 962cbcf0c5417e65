import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, isAppError } from '../../domain/errors.ts';
import { ITEM_FAULTS, type ResultRow, type ShardInput } from '../../domain/job/job.ts';
import { outputKey } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Answerer } from './item-classifier.ts';

/** The object was not the one the job was made for: whoever replaced it causes a job of its own. */
const VERSION_GONE = ['OBJECT_NOT_FOUND', 'OBJECT_CHANGED'];

/** Tries of one classification when the engine fails or is full, 100 ms, 200 ms, … apart. */
const CLASSIFY_ATTEMPTS = 4;

export interface ItemContext {
  readonly objects: ObjectStore;
  readonly classifier: Answerer;
  readonly topK: number;
  /** Bytes. */
  readonly maxImageBytes: number;
  readonly signal: AbortSignal;
  /** Whether this input has killed the process that worked it: it is not tried again. */
  readonly isCrasher: boolean;
}

/** The same words for every way to die, so that the row is the same whichever attempt writes it. */
const CRASHED = 'the worker process crashed or hung twice while this input was the only one in work';

/**
 * One input from the store to its output object: read the pinned version, classify, write `output/...`.
 *
 * @returns its row; the same for the same bytes, whenever and however often it is made
 * @throws AppError for faults of the system (store away, engine dead)
 */
export async function classifyItem(input: ShardInput, context: ItemContext): Promise<ResultRow> {
  const row = await makeRow(input, context);
  await writeOutput(row, context);
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

async function classify(bytes: Uint8Array, { classifier, topK, signal }: ItemContext) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await classifier.classify(bytes, { topK, signal });
    } catch (error) {
      if (
        !isAppError(error, 'ENGINE_FAILED', 'OVERLOADED', 'MODEL_NOT_READY') ||
        attempt >= CLASSIFY_ATTEMPTS
      )
        throw error;
      await sleep(100 * 2 ** (attempt - 1), undefined, { signal });
    }
  }
}

/**
 * An older job must not write over the result of a newer one. So the first write is create-only; where there is a
 * result already, it is replaced only while the input is still the version that was classified.
 */
async function writeOutput(row: ResultRow, { objects }: ItemContext): Promise<void> {
  const key = outputKey(row.key);
  if (key === undefined) return;
  const body = `${JSON.stringify(row)}\n`;
  const contentType = 'application/json';
  try {
    await objects.put(key, body, { ifAbsent: true, contentType });
  } catch (error) {
    // A folder cannot hold a name of more than 255 bytes, `.json` included: the result is in the job's rows only.
    if (isAppError(error, 'INVALID_REQUEST')) return;
    if (!isAppError(error, 'CONFLICT')) throw error;
    if (row.error && VERSION_GONE.includes(row.error.code)) return;
    if (await isCurrent(objects, row)) await objects.put(key, body, { contentType });
  }
}

async function isCurrent(objects: ObjectStore, row: ResultRow): Promise<boolean> {
  try {
    return (await objects.head(row.key)).etag === row.etag;
  } catch (error) {
    if (isAppError(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}
