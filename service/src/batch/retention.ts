import type { Logger } from 'pino';
import { isAppError } from '../domain/errors.ts';
import { canRunAgain } from '../domain/job/job.ts';
import { INDEX_PREFIX, indexKey, JOBS_PREFIX, jobIdOfIndexKey, jobLayout } from '../domain/job/job-layout.ts';
import { UPLOAD_DAYS, UPLOADS_PREFIX } from '../domain/keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Batch } from './batch.ts';
import { exists } from './documents.ts';
import type { JobStatus } from './status.ts';

export interface RetentionOptions {
  readonly objects: ObjectStore;
  readonly batch: Batch;
  readonly logger: Logger;
  /** Days from the end of a job to its removal; 0 keeps every job and removes uploads only. */
  readonly days: number;
}

/** Removes old jobs and abandoned uploads from `jobs/`, and expired ones from `uploads/`. */
export interface Retention {
  /** Sweeps after a minute, then once a day. */
  start(): void;
  /** Sweeps now, as if the time were `now` (ms). @returns the numbers of removed jobs and uploads */
  sweep(now?: number): Promise<{ readonly jobs: number; readonly uploads: number }>;
  close(): Promise<void>;
}

const DAY_MS = 86_400_000;
const FIRST_SWEEP_MS = 60_000;
/** Uploads without a job count as abandoned after this time, in milliseconds; a form has an hour at most (REQUEST_TIMEOUT_MS). */
const ABANDONED_MS = 2 * DAY_MS;

export function createRetention({ objects, batch, logger, days }: RetentionOptions): Retention {
  const closing = new AbortController();
  const { signal } = closing;
  let timer: NodeJS.Timeout | undefined;
  let sweeping: Promise<unknown> = Promise.resolve();

  function sweepIn(ms: number): void {
    timer = setTimeout(() => {
      sweeping = sweep()
        .then(({ jobs, uploads }) => {
          if (jobs + uploads > 0) logger.info({ jobs, uploads }, 'retention: old jobs and uploads removed');
        })
        .catch((error: unknown) => {
          if (!signal.aborted)
            logger.error({ err: error }, 'retention: sweep failed; the next one is tomorrow');
        })
        .then(() => {
          if (!signal.aborted) sweepIn(DAY_MS);
        });
    }, ms).unref();
  }

  async function sweep(now = Date.now()) {
    const jobs = days > 0 ? await removeOldJobs(now - days * DAY_MS) : 0;
    const abandoned = await removeAbandoned(now - ABANDONED_MS);
    const expired = await removeObjects(UPLOADS_PREFIX, now - UPLOAD_DAYS * DAY_MS);
    return { jobs, uploads: abandoned + expired };
  }

  /** The index lists the newest first, so the jobs created before the cutoff follow it. */
  async function removeOldJobs(cutoff: number): Promise<number> {
    let removed = 0;
    const startAfter = indexKey('', new Date(cutoff).toISOString());
    for await (const { key } of objects.list(INDEX_PREFIX, { startAfter, signal })) {
      const jobId = jobIdOfIndexKey(key);
      if (jobId === undefined || !(await isRemovable(jobId, cutoff))) continue;
      await batch.exclusively(jobId, async () => {
        // First, so that an interrupted removal leaves no job to start; the next sweep completes it.
        await objects.delete(jobLayout(jobId).job);
        await removeObjects(jobLayout(jobId).root, cutoff);
        // Last, because the next sweep finds an interrupted removal by it.
        await objects.delete(key);
      });
      removed += 1;
    }
    return removed;
  }

  async function isRemovable(jobId: string, cutoff: number): Promise<boolean> {
    let status: JobStatus;
    try {
      status = await batch.status(jobId);
    } catch (error) {
      // An interrupted removal, or a user removed the job.
      if (isAppError(error, 'JOB_NOT_FOUND')) return true;
      if (!isAppError(error, 'INTERNAL')) throw error;
      logger.warn({ err: error, jobId }, 'retention: the job has a damaged document and is kept');
      return false;
    }
    if (status.finishedAt === undefined || Date.parse(status.finishedAt) >= cutoff) return false;
    return !canRunAgain(status.status, status.counts);
  }

  /** Removes the folders without job.json: files of forms during which the service stopped. */
  async function removeAbandoned(cutoff: number): Promise<number> {
    let removed = 0;
    let current: { jobId: string; newest: number; hasJob: boolean } | undefined;
    const finish = async () => {
      if (!current || current.hasJob || current.newest >= cutoff) return;
      const { jobId } = current;
      await batch.exclusively(jobId, async () => {
        if (await exists(objects, jobLayout(jobId).job)) return;
        await removeObjects(jobLayout(jobId).root, cutoff);
        removed += 1;
      });
    };
    for await (const { key, lastModified } of objects.list(JOBS_PREFIX, { signal })) {
      const jobId = key.slice(JOBS_PREFIX.length, key.indexOf('/', JOBS_PREFIX.length));
      if (jobId.startsWith('.')) continue;
      if (current?.jobId !== jobId) {
        await finish();
        current = { jobId, newest: 0, hasJob: false };
      }
      current.newest = Math.max(current.newest, lastModified.getTime());
      current.hasJob ||= key === jobLayout(jobId).job;
    }
    await finish();
    return removed;
  }

  /** Keeps new objects: a new request may use the same idempotency key. */
  async function removeObjects(prefix: string, cutoff: number): Promise<number> {
    let removed = 0;
    for await (const { key, lastModified } of objects.list(prefix, { signal })) {
      if (lastModified.getTime() >= cutoff) continue;
      await objects.delete(key);
      removed += 1;
    }
    return removed;
  }

  return {
    start() {
      sweepIn(FIRST_SWEEP_MS);
    },
    sweep,
    async close() {
      closing.abort();
      clearTimeout(timer);
      await sweeping;
    },
  };
}
