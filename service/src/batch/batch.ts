import pLimit from 'p-limit';
import { isAppError } from '../domain/errors.ts';
import { type Job, summarySchema } from '../domain/job/job.ts';
import { derivedJobId, freshJobId } from '../domain/job/job-id.ts';
import { jobLayout, type ResultFormat } from '../domain/job/job-layout.ts';
import { cancelJob } from './cancel.ts';
import { readDocument } from './documents.ts';
import { listJobIds, readJob } from './job-records.ts';
import { createLauncher, type LauncherOptions } from './launcher.ts';
import { type JobRequest, type RequestOptions, recordRequest } from './record-request.ts';
import type { ReportOptions } from './report/report.ts';
import { findReport } from './report/stored-report.ts';
import { presignResults } from './results/address.ts';
import { readChunks } from './results/chunks.ts';
import { type JobStatus, lookUpJob } from './status.ts';

/** Jobs that `resume` checks concurrently. */
const CONCURRENT_RESUMES = 16;

export interface BatchOptions
  extends RequestOptions,
    Omit<LauncherOptions, 'maxInputs'>,
    Pick<ReportOptions, 'thumbnail' | 'maxImageBytes'> {}

/** Jobs as clients see them; needs no model. Every method throws STORE_UNAVAILABLE or QUEUE_UNAVAILABLE. */
export interface Batch {
  /**
   * Records a job and starts it. If the id exists, an equal request gets the recorded job.
   *
   * @throws AppError INVALID_REQUEST without inputs (nothing is recorded), CONFLICT if the id belongs to another
   *   request, PAYLOAD_TOO_LARGE above `maxJobInputs`, RATE_LIMITED above `maxJobsPerDay`
   */
  create(request: JobRequest): Promise<Job>;
  /**
   * Restarts the job if it is neither submitted nor ended.
   *
   * @param job its id; a caller that has the job saves a read
   * @throws AppError JOB_NOT_FOUND
   */
  status(job: string | Job): Promise<JobStatus>;
  /** Runs the pending inputs of a job that FAILED; does nothing for any other. @throws AppError JOB_NOT_FOUND */
  retry(jobId: string): Promise<void>;
  /** Newest first. */
  list(
    limit: number,
    cursor?: string,
  ): Promise<{ readonly jobs: readonly JobStatus[]; readonly next?: string }>;
  /** The recorded request of a job. @throws AppError JOB_NOT_FOUND */
  find(jobId: string): Promise<Job>;
  /** Every chunk of rows of a job so far (JSON Lines), in order. */
  results(jobId: string, signal?: AbortSignal): AsyncGenerator<Buffer>;
  /** The address of the result file, if the results have more than `maxBytes` and the store can send them. */
  resultsAddress(job: Job, format: ResultFormat, maxBytes: number): Promise<string | undefined>;
  /** The report of a job as HTML. @throws AppError JOB_NOT_FOUND */
  report(jobId: string, signal?: AbortSignal): Promise<string>;
  /** A job that has ended stays as it is. @throws AppError JOB_NOT_FOUND */
  cancel(jobId: string, reason: string): Promise<JobStatus>;
  /** Starts the jobs that a crash or a restart left, oldest first. @returns the ids of all unfinished jobs */
  resume(): Promise<readonly string[]>;
  /** Runs `action`; meanwhile `create` waits with a job of this id. */
  exclusively(jobId: string, action: () => Promise<void>): Promise<void>;
  /** Stops starting jobs in the background. */
  close(): Promise<void>;
}

/** @returns the job id of a request: the same for the same idempotency key, a new one without a key */
export function jobIdFor(idempotencyKey?: string): string {
  return idempotencyKey === undefined ? freshJobId() : derivedJobId('k', [idempotencyKey]);
}

export function createBatch(options: BatchOptions): Batch {
  const { objects, queue, maxJobInputs } = options;
  const launcher = createLauncher({
    objects,
    queue,
    startQueue: options.startQueue,
    startWithinMs: options.startWithinMs,
    onError: options.onError,
    ...(maxJobInputs === undefined ? {} : { maxInputs: maxJobInputs }),
  });
  /** Jobs that `exclusively` holds. */
  const held = new Map<string, Promise<void>>();

  async function refreshStatus(jobOrId: string | Job): Promise<JobStatus> {
    const job = typeof jobOrId === 'string' ? await readJob(objects, jobOrId) : jobOrId;
    const { status, needsStart } = await lookUpJob(objects, queue, job);
    if (needsStart) await launcher.restart(job);
    return status;
  }

  async function resumeJob(jobId: string): Promise<boolean> {
    try {
      // Most jobs have ended, and their summary is one small read.
      if (await readDocument(objects, jobLayout(jobId).summary, summarySchema)) return false;
      const job = await readJob(objects, jobId);
      const { status, needsStart } = await lookUpJob(objects, queue, job);
      if (needsStart) await launcher.start(job);
      return status.finishedAt === undefined;
    } catch (error) {
      if (!isAppError(error, 'JOB_NOT_FOUND')) options.onError(error, jobId);
      return false;
    }
  }

  return {
    async create(request) {
      await held.get(request.jobId);
      const job = await recordRequest(request, options);
      await launcher.launch(job);
      return job;
    },

    status: refreshStatus,

    retry: async (jobId) => launcher.start(await readJob(objects, jobId)),

    async list(limit, cursor) {
      const { jobIds, next } = await listJobIds(objects, limit, cursor);
      const jobs = await Promise.all(
        jobIds.map((jobId) =>
          refreshStatus(jobId).catch((error: unknown) => {
            // A user or the bucket's lifecycle removed the job; its index entry is left.
            if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
            throw error;
          }),
        ),
      );
      return { jobs: jobs.filter((job) => job !== undefined), ...(next ? { next } : {}) };
    },

    find: (jobId) => readJob(objects, jobId),

    results: (jobId, signal) => readChunks(objects, jobId, { signal }),

    resultsAddress: (job, format, maxBytes) => presignResults(objects, job, format, maxBytes),

    async report(jobId, signal) {
      const job = await readJob(objects, jobId);
      const { thumbnail, maxImageBytes } = options;
      return findReport(job, await refreshStatus(job), { objects, thumbnail, maxImageBytes, signal });
    },

    cancel: (jobId, reason) => cancelJob(objects, queue, jobId, reason),

    async resume() {
      const { jobIds } = await listJobIds(objects, Number.POSITIVE_INFINITY);
      const oldestFirst = jobIds.toReversed();
      const isUnfinished = await pLimit(CONCURRENT_RESUMES).map(oldestFirst, resumeJob);
      return oldestFirst.filter((_, i) => isUnfinished[i]);
    },

    async exclusively(jobId, action) {
      const done = action();
      held.set(
        jobId,
        done.catch(() => undefined),
      );
      await done.finally(() => held.delete(jobId));
    },

    close: launcher.close,
  };
}
