import { AppError } from '../domain/errors.ts';
import type { JobQueue, JobSubmission, QueueState, QueueStatus } from './job-queue.ts';
import { EXIT_CONFIGURATION, runWorker, type WorkerCommand, type WorkerRun } from './worker-process.ts';

export interface LocalQueueOptions {
  readonly command: WorkerCommand;
  /** Worker processes at once. One worker uses all CPUs. */
  readonly concurrency: number;
  /** Runs of a shard before it counts as failed. */
  readonly attempts?: number;
  /** Wait before the second run, milliseconds; doubles each time. */
  readonly backoffMs?: number;
  /** How long a worker may take to end after SIGTERM, milliseconds. */
  readonly killAfterMs?: number;
  /** How long a worker may go without finishing an input before it is killed, milliseconds; no limit when absent. */
  readonly stallMs?: number;
  /** Told the rows that each worker made, by `OK` or by the code of their error. */
  readonly onRows?: (rows: Readonly<Record<string, number>>) => void;
  /** Told of every worker that ended without having done its shard. */
  readonly onFailedAttempt?: (attempt: FailedAttempt) => void;
  /** Told how each job ended. */
  readonly onEnd?: (state: 'succeeded' | 'failed' | 'cancelled') => void;
}

export interface FailedAttempt {
  readonly jobId: string;
  readonly shard: number;
  /** From 1. */
  readonly attempt: number;
  readonly reason: string;
  /** Whether the shard is started again. */
  readonly again: boolean;
}

/** Jobs that may wait, and ended jobs that are remembered. Both only hold a few hundred bytes each. */
const MAX_WAITING = 10_000;
const MAX_REMEMBERED = 1_000;

interface LocalJob {
  readonly submission: JobSubmission;
  /** The next shard that was never started, and those to run again. */
  nextShard: number;
  readonly again: { shard: number; attempt: number; notBefore: number }[];
  readonly runs: Set<WorkerRun>;
  succeeded: number;
  failed: number;
  state: QueueState;
  reason?: string;
}

/**
 * Runs jobs as child processes of this one, first come first served. It keeps nothing on disk: after a restart the
 * unfinished jobs are found in the object store and submitted again, and their workers skip what is done.
 */
export function createLocalQueue(options: LocalQueueOptions): JobQueue {
  const attempts = options.attempts ?? 3;
  const backoffMs = options.backoffMs ?? 1_000;
  const killAfterMs = options.killAfterMs ?? 30_000;
  /** In the order of submission. */
  const jobs = new Map<string, LocalJob>();
  let running = 0;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;

  const isActive = (job: LocalJob) => job.state === 'SUBMITTED' || job.state === 'RUNNING';

  function pump(): void {
    clearTimeout(timer);
    let soonest = Number.POSITIVE_INFINITY;
    for (const job of jobs.values()) {
      while (!isClosed && running < options.concurrency && isActive(job)) {
        const now = Date.now();
        const again = job.again.findIndex(({ notBefore }) => notBefore <= now);
        if (again >= 0) {
          const [{ shard, attempt } = { shard: 0, attempt: 1 }] = job.again.splice(again, 1);
          start(job, shard, attempt);
        } else if (job.nextShard < job.submission.shards) {
          start(job, job.nextShard++, 1);
        } else {
          for (const { notBefore } of job.again) soonest = Math.min(soonest, notBefore);
          break;
        }
      }
    }
    if (!isClosed && Number.isFinite(soonest))
      timer = setTimeout(pump, Math.max(soonest - Date.now(), 0) + 1);
  }

  function start(job: LocalJob, shard: number, attempt: number): void {
    const { jobUri, shards, environment } = job.submission;
    const extra = {
      ...environment,
      JOB_URI: jobUri,
      AWS_BATCH_JOB_ATTEMPT: String(attempt),
      // As AWS Batch does: only the children of an array have an index.
      ...(shards > 1 ? { AWS_BATCH_JOB_ARRAY_INDEX: String(shard) } : {}),
    };
    const { stallMs } = options;
    const run = runWorker(options.command, extra, stallMs === undefined ? {} : { stallMs });
    running += 1;
    job.state = 'RUNNING';
    job.runs.add(run);
    void run.ended.then(({ code, signal, message, rows }) => {
      running -= 1;
      if (rows) options.onRows?.(rows);
      job.runs.delete(run);
      if (code === 0) job.succeeded += 1;
      else if (isActive(job) && !isClosed) {
        const why = `shard ${shard} ended with ${signal ?? `status ${code}`}${message ? `: ${message}` : ''}`;
        const isRepeated = attempt < attempts && code !== EXIT_CONFIGURATION;
        const { jobId } = job.submission;
        options.onFailedAttempt?.({ jobId, shard, attempt, reason: why, again: isRepeated });
        if (isRepeated) {
          job.again.push({
            shard,
            attempt: attempt + 1,
            notBefore: Date.now() + backoffMs * 2 ** (attempt - 1),
          });
        } else {
          job.failed += 1;
          job.reason = `${why} (attempt ${attempt})`;
        }
      }
      if (isActive(job) && job.succeeded + job.failed === job.submission.shards) {
        job.state = job.failed === 0 ? 'SUCCEEDED' : 'FAILED';
        options.onEnd?.(job.failed === 0 ? 'succeeded' : 'failed');
        forgetOld();
      }
      pump();
    });
  }

  function forgetOld(): void {
    const ended = [...jobs].filter(([, job]) => !isActive(job) && job.runs.size === 0);
    for (const [jobId] of ended.slice(0, Math.max(0, ended.length - MAX_REMEMBERED))) jobs.delete(jobId);
  }

  async function stopRuns(job: LocalJob): Promise<void> {
    const runs = [...job.runs];
    for (const run of runs) run.stop(killAfterMs);
    await Promise.all(runs.map((run) => run.ended));
  }

  return {
    isVolatile: true,
    async submit(submission) {
      const known = jobs.get(submission.jobId);
      if (known && known.state !== 'FAILED' && known.state !== 'CANCELLED')
        return { reference: submission.jobId };
      if (isClosed)
        throw new AppError('QUEUE_UNAVAILABLE', 'the service is shutting down; submit again later');
      if ([...jobs.values()].filter(isActive).length >= MAX_WAITING) {
        throw new AppError('QUEUE_UNAVAILABLE', `${MAX_WAITING} jobs are waiting already; try again later`);
      }
      jobs.delete(submission.jobId);
      jobs.set(submission.jobId, {
        submission,
        nextShard: 0,
        again: [],
        runs: new Set(),
        succeeded: 0,
        failed: 0,
        state: 'SUBMITTED',
      });
      pump();
      return { reference: submission.jobId };
    },

    async status(reference): Promise<QueueStatus | undefined> {
      const job = jobs.get(reference);
      if (!job) return undefined;
      const { succeeded, failed, runs, state, reason, submission } = job;
      const pending = submission.shards - succeeded - failed - runs.size;
      return {
        state,
        shards: { pending, running: runs.size, succeeded, failed },
        ...(reason ? { reason } : {}),
      };
    },

    async cancel(reference, reason) {
      const job = jobs.get(reference);
      if (!job || !isActive(job)) return;
      job.state = 'CANCELLED';
      options.onEnd?.('cancelled');
      job.reason = reason;
      await stopRuns(job);
    },

    async close() {
      isClosed = true;
      clearTimeout(timer);
      await Promise.all([...jobs.values()].map(stopRuns));
    },
  };
}
