import pLimit from 'p-limit';
import { AppError, isAppError } from '../domain/errors.ts';
import { type Job, type JobSource, summarySchema } from '../domain/job/job.ts';
import { derivedJobId, freshJobId } from '../domain/job/job-id.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import { cancelJob } from './cancel.ts';
import { checkDailyLimit } from './daily-limit.ts';
import { readDocument } from './documents.ts';
import { hasInputs } from './job-inputs.ts';
import { findJob, listJobIds, readJob, recordJob } from './job-records.ts';
import { createLauncher, type LauncherOptions } from './launcher.ts';
import { checkSize } from './plan-shards.ts';
import { noInputs } from './start.ts';
import { type JobStatus, lookUpJob } from './status.ts';

/** Jobs that `resume` checks concurrently. */
const CONCURRENT_RESUMES = 16;

interface BatchRequest extends Pick<Job, 'jobId' | 'origin' | 'source' | 'model' | 'topK'> {}

export interface BatchOptions extends Omit<LauncherOptions, 'maxInputs'> {
  readonly shardSize: number;
  readonly chunkSize: number;
  /** The precision that all workers of a job use (see inference/job-precision.ts). */
  readonly precisionOf?: (model: string) => Promise<Job['precision']>;
  /** Maximum inputs of a job with all its parts; no limit if absent. */
  readonly maxJobInputs?: number | undefined;
  /** Maximum jobs of origin `request` in 24 hours; no limit if absent. */
  readonly maxJobsPerDay?: number | undefined;
}

/** Jobs as clients see them; needs no model. Every method throws STORE_UNAVAILABLE or QUEUE_UNAVAILABLE. */
export interface Batch {
  /**
   * Records a job and starts it. If the id exists, an equal request gets the recorded job.
   *
   * @throws AppError INVALID_REQUEST without inputs (nothing is recorded), CONFLICT if the id belongs to another
   *   request, PAYLOAD_TOO_LARGE above `maxJobInputs`, RATE_LIMITED above `maxJobsPerDay`
   */
  create(request: BatchRequest): Promise<Job>;
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
  /** Every chunk of rows so far (JSON Lines), in order. @throws AppError JOB_NOT_FOUND, before the first chunk */
  results(jobId: string, signal?: AbortSignal): AsyncGenerator<Buffer>;
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
  const { objects, queue, maxJobInputs, maxJobsPerDay } = options;
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

  /** @throws AppError */
  async function checkRequest({ source }: BatchRequest): Promise<void> {
    if (!(await hasInputs(objects, { source }))) throw noInputs();
    if (source.kind === 'objects') checkSize(source.objects.length, maxJobInputs);
    if (maxJobsPerDay !== undefined) await checkDailyLimit(objects, maxJobsPerDay);
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
      const { jobId } = request;
      const precision = await options.precisionOf?.(request.model);
      await held.get(jobId);
      // The inputs of a drop exist and are counted; only requests are checked, before their job is recorded.
      let job = request.origin === 'request' ? await findJob(objects, jobId) : undefined;
      if (!job) {
        if (request.origin === 'request') await checkRequest(request);
        job = await recordJob(objects, {
          format: 1,
          createdAt: new Date().toISOString(),
          ...request,
          ...(precision ? { precision } : {}),
          shardSize: options.shardSize,
          chunkSize: options.chunkSize,
        });
      }
      if (!isSameRequest(job, request)) {
        throw new AppError('CONFLICT', 'the idempotencyKey belongs to another request; use a new one');
      }
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

    async *results(jobId, signal) {
      await readJob(objects, jobId);
      for await (const { key } of objects.list(jobLayout(jobId).results, signal ? { signal } : {})) {
        yield await objects.get(key, signal ? { signal } : {});
      }
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

function isSameRequest(a: BatchRequest, b: BatchRequest): boolean {
  const identity = ({ model, topK, source }: BatchRequest) =>
    JSON.stringify([model, topK, identityOf(source)]);
  return identity(a) === identity(b);
}

/** The digest of a form, since each request stores its files elsewhere; a prefix; or keys, whose etags may change. */
function identityOf(source: JobSource): unknown {
  if (source.kind === 'objects') return source.objects.map(({ key }) => key);
  return source.digest === undefined ? source.prefix : { digest: source.digest };
}
