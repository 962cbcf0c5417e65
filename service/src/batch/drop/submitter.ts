import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isAppError } from '../../domain/errors.ts';
import { MAX_OBJECTS, type ShardInput } from '../../domain/job/job.ts';
import { checkKey, compareKeys } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Batch } from '../batch.ts';
import { createDropJob } from './create-drop-job.ts';
import { createDropRetries, type RetryTiming } from './retries.ts';

export interface DropSubmitterOptions {
  readonly model: string;
  readonly objects: ObjectStore;
  readonly batch: Batch;
  readonly logger: Logger;
  /** Maximum inputs of a job. */
  readonly maxInputs?: number | undefined;
  /** Of jobs that fail; for tests. */
  readonly retryTiming?: RetryTiming | undefined;
}

/** Creates jobs of dropped objects: one per version of an object, however often it is submitted. */
export interface DropSubmitter {
  /** Skips keys of objects that no longer exist, and paths that cannot be keys. */
  submitKeys(keys: readonly string[]): Promise<void>;
  submitInputs(inputs: readonly ShardInput[]): Promise<void>;
  /** Tracks unfinished jobs of an earlier process. */
  trackJobs(jobIds: readonly string[]): void;
  /**
   * Resolves once every submitted input without an output is remembered. After a start, or if more inputs were submitted
   * than can be remembered, it waits until their jobs end.
   */
  untilAllTracked(signal: AbortSignal): Promise<void>;
  /** Resolves when no submission or retry is in progress. */
  close(): Promise<void>;
}

/** Submitted versions that are remembered: a listing shows them as new until their outputs exist. */
const MAX_REMEMBERED = 200_000;

export function createDropSubmitter(options: DropSubmitterOptions): DropSubmitter {
  const { model, objects, batch, logger, maxInputs = MAX_OBJECTS, retryTiming } = options;
  const retries = createDropRetries({ batch, logger, ...(retryTiming ? { timing: retryTiming } : {}) });
  const partSize = Math.min(maxInputs, MAX_OBJECTS);
  /** Etags of submitted inputs, by key. */
  const submitted = new Map<string, string>();
  /** Jobs whose inputs may have no outputs yet. */
  const unfinished = new Set<string>();
  /** Whether inputs of `unfinished` may be missing in `submitted`. */
  let hasForgotten = true;
  let last: Promise<void> = Promise.resolve();

  /** One submission at a time: two could both find an input that is not submitted yet. */
  function inTurn(action: () => Promise<void>): Promise<void> {
    const done = last.then(action);
    last = done.catch(() => undefined);
    return done;
  }

  async function findInputs(keys: readonly string[]): Promise<ShardInput[]> {
    const inputs: ShardInput[] = [];
    for (const key of keys) {
      try {
        const { etag, size } = await objects.head(checkKey(key));
        inputs.push({ key, etag, size });
      } catch (error) {
        if (!isAppError(error, 'OBJECT_NOT_FOUND', 'INVALID_REQUEST')) throw error;
        if (error.code === 'INVALID_REQUEST') logger.warn({ key, err: error }, 'drop: skipped a file');
      }
    }
    return inputs;
  }

  async function createJobs(inputs: readonly ShardInput[]): Promise<void> {
    const fresh = inputs
      .filter(({ key, etag }) => submitted.get(key) !== etag)
      .sort((a, b) => compareKeys(a.key, b.key));
    for (let i = 0; i < fresh.length; i += partSize) {
      const part = fresh.slice(i, i + partSize);
      const jobId = await createDropJob(part, { batch, objects, model, origin: 'drop' });
      for (const { key, etag } of part) remember(key, etag ?? '');
      if (jobId === undefined) continue;
      unfinished.add(jobId);
      retries.watch(jobId);
      logger.info({ jobId, inputs: part.length }, 'drop: job created');
    }
  }

  function remember(key: string, etag: string): void {
    submitted.delete(key);
    submitted.set(key, etag);
    const oldest = submitted.size > MAX_REMEMBERED ? submitted.keys().next().value : undefined;
    if (oldest === undefined) return;
    submitted.delete(oldest);
    hasForgotten = true;
  }

  async function untilJobsEnd(signal: AbortSignal): Promise<void> {
    while (unfinished.size > 0) {
      for (const jobId of [...unfinished]) {
        const status = await batch.status(jobId).catch((error: unknown) => {
          if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
          throw error;
        });
        if (!status || status.finishedAt !== undefined) unfinished.delete(jobId);
      }
      if (unfinished.size > 0) await sleep(1_000, undefined, { signal });
    }
    hasForgotten = false;
  }

  return {
    submitKeys: (keys) => inTurn(async () => createJobs(await findInputs(keys))),
    submitInputs: (inputs) => inTurn(() => createJobs(inputs)),
    trackJobs: (jobIds) => {
      for (const jobId of jobIds) unfinished.add(jobId);
    },
    untilAllTracked: async (signal) => {
      if (hasForgotten) await untilJobsEnd(signal);
    },
    close: async () => {
      await last;
      await retries.close();
    },
  };
}
