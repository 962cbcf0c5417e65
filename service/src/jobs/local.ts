import PQueue from 'p-queue';
import { AppError } from '../domain/errors.ts';
import type { JobQueue, QueueStatus } from './job-queue.ts';
import { type LocalJob, type LocalJobOptions, startLocalJob } from './local-job.ts';

export interface LocalQueueOptions extends LocalJobOptions {
  /** Concurrent worker processes. One worker uses all CPUs. */
  readonly concurrency: number;
}

/** Maximum unfinished jobs, and ended jobs that are remembered. */
const MAX_UNFINISHED = 10_000;
const MAX_REMEMBERED = 1_000;

/**
 * Runs shards as child processes, in the order of their jobs. Nothing is stored: after a restart, unfinished jobs are
 * found in the object store and submitted again, and their workers skip finished chunks.
 */
export function createLocalQueue(options: LocalQueueOptions): JobQueue {
  const slots = new PQueue({ concurrency: options.concurrency });
  /** In the order of submission. */
  const jobs = new Map<string, LocalJob>();
  let priority = 0;
  let isClosed = false;

  const isUnfinished = ({ state }: QueueStatus) => state === 'SUBMITTED' || state === 'RUNNING';

  /** @throws AppError QUEUE_UNAVAILABLE */
  function makeRoom(): void {
    const ended = [...jobs].filter(([, job]) => !isUnfinished(job.status()));
    if (jobs.size - ended.length >= MAX_UNFINISHED) {
      throw new AppError('QUEUE_UNAVAILABLE', `${MAX_UNFINISHED} jobs are waiting already; try again later`);
    }
    const stopped = ended.filter(([, job]) => job.status().shards.running === 0);
    for (const [jobId] of stopped.slice(0, Math.max(0, stopped.length - MAX_REMEMBERED))) jobs.delete(jobId);
  }

  return {
    isVolatile: true,
    async submit(submission) {
      const { jobId } = submission;
      const state = jobs.get(jobId)?.status().state;
      if (state && state !== 'FAILED' && state !== 'CANCELLED') return { reference: jobId };
      if (isClosed) {
        throw new AppError('QUEUE_UNAVAILABLE', 'the service is shutting down; submit again later');
      }
      makeRoom();
      jobs.delete(jobId);
      jobs.set(jobId, startLocalJob(submission, slots, priority--, options));
      return { reference: jobId };
    },
    status: async (reference) => jobs.get(reference)?.status(),
    cancel: async (reference, reason) => jobs.get(reference)?.cancel(reason),
    async close() {
      isClosed = true;
      await Promise.all([...jobs.values()].map((job) => job.stop()));
    },
  };
}
