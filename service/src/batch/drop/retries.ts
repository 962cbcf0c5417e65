import type { Logger } from 'pino';
import { isAppError } from '../../domain/errors.ts';
import type { Batch } from '../batch.ts';

export interface DropRetryOptions {
  readonly batch: Batch;
  readonly logger: Logger;
  readonly timing?: RetryTiming;
}

/** All in milliseconds. */
export interface RetryTiming {
  /** From a job's first failure to its next run; doubles with each failure. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** How often the jobs are looked at. */
  readonly pollMs: number;
}

const TIMING: RetryTiming = { firstMs: 60_000, maxMs: 3_600_000, pollMs: 5_000 };

/** Jobs looked at each time, oldest first: the queue runs them in this order. */
const LOOKED_AT = 20;

/** Runs the jobs of dropped inputs again when they have FAILED: no one else asks for these results. */
export interface DropRetries {
  watch(jobId: string): void;
  close(): Promise<void>;
}

export function createDropRetries({ batch, logger, timing = TIMING }: DropRetryOptions): DropRetries {
  /** Jobs at work, by how often they have failed. */
  const working = new Map<string, number>();
  /** Jobs that have failed. */
  const failed = new Map<string, { readonly failures: number; readonly retryAt: number }>();
  let timer: NodeJS.Timeout | undefined;
  let polling: Promise<void> = Promise.resolve();
  let isClosed = false;

  function schedule(): void {
    if (isClosed || timer || working.size + failed.size === 0) return;
    timer = setTimeout(() => {
      polling = poll().then(() => {
        timer = undefined;
        schedule();
      });
    }, timing.pollMs);
  }

  async function poll(): Promise<void> {
    for (const [jobId, { failures, retryAt }] of [...failed]) {
      if (isClosed || retryAt > Date.now()) continue;
      failed.delete(jobId);
      try {
        await batch.retry(jobId);
        working.set(jobId, failures);
      } catch (error) {
        if (!isAppError(error, 'JOB_NOT_FOUND')) fail(jobId, failures + 1, (error as Error).message);
      }
    }
    for (const [jobId, failures] of [...working].slice(0, LOOKED_AT)) {
      if (isClosed) return;
      try {
        const { status, finishedAt, counts, reason } = await batch.status(jobId);
        if (finishedAt === undefined) continue;
        working.delete(jobId);
        if (status === 'FAILED' && counts.pending > 0) fail(jobId, failures + 1, reason);
      } catch (error) {
        // Otherwise the store or the queue is away, and the next poll asks again.
        if (isAppError(error, 'JOB_NOT_FOUND')) working.delete(jobId);
        else logger.debug({ err: error, jobId }, 'drop: status of a job not available');
      }
    }
  }

  function fail(jobId: string, failures: number, reason: string | undefined): void {
    const waitMs = Math.min(timing.firstMs * 2 ** (failures - 1), timing.maxMs);
    failed.set(jobId, { failures, retryAt: Date.now() + waitMs });
    logger.warn({ jobId, failures, reason, waitMs }, 'drop: the job failed; it is retried after a while');
  }

  return {
    watch(jobId) {
      working.set(jobId, 0);
      schedule();
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await polling;
    },
  };
}
