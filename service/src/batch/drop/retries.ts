import type { Logger } from 'pino';
import { isAppError } from '../../domain/errors.ts';
import { canRunAgain } from '../../domain/job/job.ts';
import type { Batch } from '../batch.ts';

export interface DropRetryOptions {
  readonly batch: Batch;
  readonly logger: Logger;
  readonly timing?: RetryTiming;
}

/** All in milliseconds. */
export interface RetryTiming {
  /** Delay before the first retry of a job; doubles with each failure. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** Interval of the status checks. */
  readonly pollMs: number;
}

const TIMING: RetryTiming = { firstMs: 60_000, maxMs: 3_600_000, pollMs: 5_000 };

/** Jobs that one check covers, oldest first: the queue runs them in this order. */
const CHECKED_AT_ONCE = 20;

/** Retries jobs of dropped inputs that FAILED, since no client waits for them. */
export interface DropRetries {
  watch(jobId: string): void;
  close(): Promise<void>;
}

export function createDropRetries({ batch, logger, timing = TIMING }: DropRetryOptions): DropRetries {
  /** Failures of each unfinished job. */
  const working = new Map<string, number>();
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
    for (const [jobId, failures] of [...working].slice(0, CHECKED_AT_ONCE)) {
      if (isClosed) return;
      try {
        const { status, finishedAt, counts, reason } = await batch.status(jobId);
        if (finishedAt === undefined) continue;
        working.delete(jobId);
        if (canRunAgain(status, counts)) fail(jobId, failures + 1, reason);
      } catch (error) {
        if (isAppError(error, 'JOB_NOT_FOUND')) working.delete(jobId);
        // The store or the queue is unavailable; the next poll asks again.
        else logger.debug({ err: error, jobId }, 'drop: job status unavailable');
      }
    }
  }

  function fail(jobId: string, failures: number, reason: string | undefined): void {
    const waitMs = Math.min(timing.firstMs * 2 ** (failures - 1), timing.maxMs);
    failed.set(jobId, { failures, retryAt: Date.now() + waitMs });
    logger.warn({ jobId, failures, reason, waitMs }, 'drop: job failed; it will be retried');
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
