import type PQueue from 'p-queue';
import pRetry, { AbortError } from 'p-retry';
import type { JobSubmission, QueueStatus } from './job-queue.ts';
import { EXIT_CONFIGURATION, runWorker, type WorkerCommand, type WorkerRun } from './worker-process.ts';

export interface LocalJobOptions {
  readonly command: WorkerCommand;
  /** Attempts of a shard before it counts as failed. */
  readonly attempts?: number;
  /** Delay before the second attempt, in ms; doubles each time. */
  readonly backoffMs?: number;
  /** Time between SIGTERM and SIGKILL, in ms. */
  readonly killAfterMs?: number;
  /** Kills a worker that finishes no input for this time, in ms; no limit if absent. */
  readonly stallMs?: number;
  /** Gets the rows of each worker, by `OK` or error code. */
  readonly onRows?: (rows: Readonly<Record<string, number>>) => void;
  /** Reports every worker that ended without finishing its shard. */
  readonly onFailedAttempt?: (attempt: FailedAttempt) => void;
  /** Reports the end of each job. */
  readonly onEnd?: (state: 'succeeded' | 'failed' | 'cancelled') => void;
}

export interface FailedAttempt {
  readonly jobId: string;
  readonly shard: number;
  /** From 1. */
  readonly attempt: number;
  readonly reason: string;
  /** Whether the shard gets another attempt. */
  readonly again: boolean;
}

/** A job whose shards run as child processes. */
export interface LocalJob {
  status(): QueueStatus;
  cancel(reason: string): Promise<void>;
  /** Stops its workers and starts no others; the job stays unfinished. */
  stop(): Promise<void>;
}

/**
 * Runs the shards of a job in `slots`. During its backoff a shard has no slot.
 *
 * @param priority of its shards; a job with a higher one goes first
 */
export function startLocalJob(
  { jobId, jobUri, shards, environment }: JobSubmission,
  slots: PQueue,
  priority: number,
  options: LocalJobOptions,
): LocalJob {
  const { attempts = 3, backoffMs = 1_000, killAfterMs = 30_000, stallMs } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const runs = new Set<WorkerRun>();
  let succeeded = 0;
  let failed = 0;
  let state: QueueStatus['state'] = 'SUBMITTED';
  let reason: string | undefined;

  async function runShard(shard: number): Promise<void> {
    const attemptInSlot = (attempt: number) => slots.add(() => runAttempt(shard, attempt), { priority });
    try {
      await pRetry(attemptInSlot, { retries: attempts - 1, minTimeout: backoffMs, signal });
    } catch (error) {
      if (signal.aborted) return;
      failed += 1;
      reason = (error as Error).message;
    }
    if (signal.aborted || succeeded + failed < shards) return;
    state = failed === 0 ? 'SUCCEEDED' : 'FAILED';
    options.onEnd?.(failed === 0 ? 'succeeded' : 'failed');
  }

  /** @throws Error if the shard can have another attempt, else AbortError */
  async function runAttempt(shard: number, attempt: number): Promise<void> {
    signal.throwIfAborted();
    const extra = {
      ...environment,
      JOB_URI: jobUri,
      AWS_BATCH_JOB_ATTEMPT: String(attempt),
      // As on AWS Batch, only the children of an array have an index.
      ...(shards > 1 ? { AWS_BATCH_JOB_ARRAY_INDEX: String(shard) } : {}),
    };
    const run = runWorker(options.command, extra, stallMs === undefined ? {} : { stallMs });
    state = 'RUNNING';
    runs.add(run);
    const end = await run.ended;
    runs.delete(run);
    if (end.rows) options.onRows?.(end.rows);
    if (end.code === 0) succeeded += 1;
    if (end.code === 0 || signal.aborted) return;
    const how = `shard ${shard} ended with ${end.signal ?? `status ${end.code}`}`;
    const why = end.message ? `${how}: ${end.message}` : how;
    const again = attempt < attempts && end.code !== EXIT_CONFIGURATION;
    options.onFailedAttempt?.({ jobId, shard, attempt, reason: why, again });
    throw again ? new Error(why) : new AbortError(`${why} (attempt ${attempt})`);
  }

  async function stop(): Promise<void> {
    stopping.abort();
    const stopped = [...runs];
    for (const run of stopped) run.stop(killAfterMs);
    await Promise.all(stopped.map((run) => run.ended));
  }

  for (let shard = 0; shard < shards; shard++) void runShard(shard);

  return {
    status: () => ({
      state,
      shards: { pending: shards - succeeded - failed - runs.size, running: runs.size, succeeded, failed },
      ...(reason ? { reason } : {}),
    }),
    async cancel(why) {
      if (state !== 'SUBMITTED' && state !== 'RUNNING') return;
      state = 'CANCELLED';
      reason = why;
      options.onEnd?.('cancelled');
      await stop();
    },
    stop,
  };
}
