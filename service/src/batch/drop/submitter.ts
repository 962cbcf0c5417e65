import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isAppError } from '../../domain/errors.ts';
import { MAX_OBJECTS, type ShardInput } from '../../domain/job/job.ts';
import { derivedJobId } from '../../domain/job/job-id.ts';
import { checkKey, compareKeys } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Batch } from '../batch.ts';
import { createDropRetries, type RetryTiming } from './retries.ts';

export interface HandOverOptions {
  /** What classifies. */
  readonly model: string;
  readonly objects: ObjectStore;
  readonly batch: Batch;
  readonly logger: Logger;
  /** Of jobs that fail; for tests. */
  readonly retryTiming?: RetryTiming;
}

/** Makes jobs of what was dropped: each version of an object once, whoever found it and however often. */
export interface HandOver {
  /** Those that are there; one that was taken away again, or can be no key, is passed over. */
  keys(keys: readonly string[]): Promise<void>;
  inputs(inputs: readonly ShardInput[]): Promise<void>;
  /** Jobs of an earlier process that go on. */
  expect(jobIds: readonly string[]): void;
  /**
   * Resolves when every input without an output that was handed over is known to be: at once, except after a start and
   * when too many were handed over to remember all. Then it waits for their jobs to end.
   */
  untilAllKnown(signal: AbortSignal): Promise<void>;
  /** Resolves when no submission or retry is in progress. */
  close(): Promise<void>;
}

/** How many classes a dropped picture gets; a request says it for itself. */
const TOP_K = 5;
/** Versions that were handed over lately: they are listed as new until their outputs are there. */
const MAX_REMEMBERED = 200_000;

export function createHandOver({ model, objects, batch, logger, retryTiming }: HandOverOptions): HandOver {
  const retries = createDropRetries({ batch, logger, ...(retryTiming ? { timing: retryTiming } : {}) });
  const handedOver = new Map<string, string>();
  /** Jobs whose inputs may have no outputs yet. */
  const open = new Set<string>();
  /** Whether inputs of `open` are, or may be, missing in `handedOver`. */
  let forgot = true;
  let last: Promise<void> = Promise.resolve();

  function inTurn(action: () => Promise<void>): Promise<void> {
    const done = last.then(action);
    last = done.catch(() => undefined);
    return done;
  }

  async function keysInTurn(keys: readonly string[]): Promise<void> {
    const inputs: ShardInput[] = [];
    for (const key of keys) {
      try {
        const { etag, size } = await objects.head(checkKey(key));
        inputs.push({ key, etag, size });
      } catch (error) {
        // Taken away again before anybody looked, or its path is longer than a key can be.
        if (!isAppError(error, 'OBJECT_NOT_FOUND', 'INVALID_REQUEST')) throw error;
        if (error.code === 'INVALID_REQUEST') logger.warn({ key, err: error }, 'drop: passed over');
      }
    }
    await inputsInTurn(inputs);
  }

  /** Only in turn: two at a time could both find an input not handed over yet. */
  async function inputsInTurn(inputs: readonly ShardInput[]): Promise<void> {
    const fresh = inputs
      .filter(({ key, etag }) => handedOver.get(key) !== etag)
      .sort((a, b) => compareKeys(a.key, b.key));
    for (let i = 0; i < fresh.length; i += MAX_OBJECTS) {
      const part = fresh.slice(i, i + MAX_OBJECTS);
      const parts = part.flatMap(({ key, etag }) => [key, etag ?? '']);
      const jobId = derivedJobId('d', [model, String(Date.now()), ...parts]);
      await batch.submit({
        jobId,
        origin: 'drop',
        source: { kind: 'objects', objects: part },
        model,
        topK: TOP_K,
      });
      open.add(jobId);
      retries.watch(jobId);
      for (const { key, etag } of part) remember(key, etag ?? '');
      logger.info({ jobId, inputs: part.length }, 'drop: classifying what was dropped');
    }
  }

  function remember(key: string, etag: string): void {
    handedOver.delete(key);
    handedOver.set(key, etag);
    const oldest = handedOver.size > MAX_REMEMBERED ? handedOver.keys().next().value : undefined;
    if (oldest === undefined) return;
    handedOver.delete(oldest);
    forgot = true;
  }

  /** Inputs of a job that has not ended have no outputs yet: they are not to be handed over a second time. */
  async function untilJobsEnd(signal: AbortSignal): Promise<void> {
    while (open.size > 0) {
      for (const jobId of [...open]) {
        const status = await batch.status(jobId).catch((error: unknown) => {
          if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
          throw error;
        });
        if (!status || status.finishedAt !== undefined) open.delete(jobId);
      }
      if (open.size > 0) await sleep(1_000, undefined, { signal });
    }
    forgot = false;
  }

  return {
    keys: (keys) => inTurn(() => keysInTurn(keys)),
    inputs: (inputs) => inTurn(() => inputsInTurn(inputs)),
    expect: (jobIds) => {
      for (const jobId of jobIds) open.add(jobId);
    },
    untilAllKnown: async (signal) => {
      if (forgot) await untilJobsEnd(signal);
    },
    close: async () => {
      await last;
      await retries.close();
    },
  };
}
