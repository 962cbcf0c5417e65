import pLimit from 'p-limit';
import { AppError, isAppError } from '../domain/errors.ts';
import {
  cancelledSchema,
  type Job,
  type JobSource,
  planSchema,
  submittedSchema,
  summarySchema,
} from '../domain/job/job.ts';
import { derivedJobId, freshJobId } from '../domain/job/job-id.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { StartQueue } from '../jobs/start-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { checkDailyLimit } from './daily-limit.ts';
import { readDocument, writeOnce } from './documents.ts';
import { listJobIds } from './index-jobs.ts';
import { checkSize, hasInputs } from './plan.ts';
import { recordJob, startJob } from './start.ts';
import { findStatus, type JobStatus } from './status.ts';
import { readJob } from './worker/shard.ts';

/** Jobs looked at side by side after a restart. */
const RESUMED_AT_ONCE = 16;

/** A job that is still not submitted is sent to the start queue again after this time, milliseconds: its request may have ended between recording and sending. */
const SEND_AGAIN_AFTER_MS = 15 * 60_000;
const MAX_SENT = 10_000;

/** What somebody asks for. */
interface BatchRequest {
  /** Ends up as the job's id; made by `jobIdFor` where it has to be known before (uploads). */
  readonly jobId: string;
  readonly origin: Job['origin'];
  readonly source: JobSource;
  readonly model: string;
  readonly topK: number;
}

export interface BatchOptions {
  readonly objects: ObjectStore;
  readonly queue: JobQueue;
  readonly shardSize: number;
  readonly chunkSize: number;
  /** The precision that all workers of a job use (see inference/job-precision.ts). */
  readonly precisionOf?: (model: string) => Promise<Job['precision']>;
  /** Plans and submits recorded jobs elsewhere; when absent, this process does it behind its answer. */
  readonly startQueue?: StartQueue | undefined;
  /** Most inputs of a job with all its parts; not bounded when absent. */
  readonly maxJobInputs?: number | undefined;
  /** Most jobs of origin `request` in 24 hours; not bounded when absent. */
  readonly maxJobsPerDay?: number | undefined;
  /** How long `submit` waits for planning and submission before it answers; they go on behind it. Milliseconds. */
  readonly startWithinMs: number;
  /** Told of failures that nobody waits for any more. */
  readonly onError: (error: unknown, jobId: string) => void;
}

/** Jobs as their users see them; needs no model. */
export interface Batch {
  /**
   * Records a job and starts it. With an id that is taken, the same request gets the job that is there.
   *
   * @throws AppError INVALID_REQUEST without any input (nothing is left behind), CONFLICT when the id stands for another
   *   request, PAYLOAD_TOO_LARGE with more objects than a job may have, RATE_LIMITED after too many jobs
   */
  submit(request: BatchRequest): Promise<JobStatus>;
  /** What a job was asked to classify. @throws AppError JOB_NOT_FOUND */
  source(jobId: string): Promise<JobSource>;
  /** @throws AppError JOB_NOT_FOUND */
  status(jobId: string): Promise<JobStatus>;
  /** Runs what is left of a job that has FAILED; does nothing for any other. @throws AppError JOB_NOT_FOUND, STORE_UNAVAILABLE, QUEUE_UNAVAILABLE */
  retry(jobId: string): Promise<void>;
  /** Newest first. */
  list(
    limit: number,
    cursor?: string,
  ): Promise<{ readonly jobs: readonly JobStatus[]; readonly next?: string }>;
  /** Every chunk of rows so far (JSON Lines), in order. @throws AppError JOB_NOT_FOUND, before the first chunk */
  results(jobId: string, signal?: AbortSignal): AsyncGenerator<Buffer>;
  /** No error when it has ended already. @throws AppError JOB_NOT_FOUND */
  cancel(jobId: string, reason: string): Promise<JobStatus>;
  /** Starts again what a crash or a restart has left, oldest first. @returns the ids of those that go on */
  resume(): Promise<readonly string[]>;
  /** Runs `action` while `submit` waits with a job of this id. */
  exclusively(jobId: string, action: () => Promise<void>): Promise<void>;
  /** Waits for what goes on behind `submit`. */
  close(): Promise<void>;
}

/** The id of a request: always the same with an idempotency key, a new one each time without. */
export function jobIdFor(idempotencyKey?: string): string {
  return idempotencyKey === undefined ? freshJobId() : derivedJobId('k', [idempotencyKey]);
}

export function createBatch(options: BatchOptions): Batch {
  const { objects, queue, startQueue } = options;
  /** When this process sent a job to the start queue, milliseconds since 1970. */
  const sentAt = new Map<string, number>();
  /** One start of a job at a time in this process. */
  const starting = new Map<string, Promise<void>>();
  /** Jobs that are being removed. */
  const held = new Map<string, Promise<void>>();
  const closing = new AbortController();

  function start(job: Job): Promise<void> {
    const running = starting.get(job.jobId);
    if (running) return running;
    const maxInputs = options.maxJobInputs;
    const bound = maxInputs === undefined ? {} : { maxInputs };
    const started = startJob(job, { objects, queue, signal: closing.signal, ...bound }).finally(() =>
      starting.delete(job.jobId),
    );
    starting.set(job.jobId, started);
    return started;
  }

  /** Starts a job without waiting for more than a while; what fails later is told to `onError` and healed by the next look. */
  async function startSoon(job: Job): Promise<void> {
    if (startQueue) return send(job, startQueue);
    let timer: NodeJS.Timeout | undefined;
    let isWaiting = true;
    const started = start(job).catch((error: unknown) => {
      if (isWaiting) throw error;
      if (!closing.signal.aborted) options.onError(error, job.jobId);
    });
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, options.startWithinMs);
    });
    try {
      await Promise.race([started, enough]);
    } finally {
      isWaiting = false;
      clearTimeout(timer);
    }
  }

  async function send(job: Job, to: StartQueue): Promise<void> {
    await to.send({ jobId: job.jobId });
    if (sentAt.size >= MAX_SENT) sentAt.clear();
    sentAt.set(job.jobId, Date.now());
  }

  async function sendAgain(job: Job, to: StartQueue): Promise<void> {
    const last = sentAt.get(job.jobId) ?? Date.parse(job.createdAt);
    if (Date.now() - last >= SEND_AGAIN_AFTER_MS) await send(job, to);
  }

  async function look(jobId: string): Promise<JobStatus> {
    const job = await readJob(objects, jobId);
    const { status, isStranded } = await findStatus(objects, queue, job);
    if (isStranded && startQueue) await sendAgain(job, startQueue);
    else if (isStranded && !closing.signal.aborted) {
      start(job).catch((error: unknown) => options.onError(error, jobId));
    }
    return status;
  }

  async function cancel(jobId: string, reason: string): Promise<JobStatus> {
    const job = await readJob(objects, jobId);
    const layout = jobLayout(jobId);
    const before = (await findStatus(objects, queue, job)).status;
    const hasEnded = before.finishedAt !== undefined;
    if (hasEnded && before.next === undefined) return before;
    // Before the look for the next part, which may be recorded at this moment: see `recordNextPart`.
    const cancelledAt = new Date().toISOString();
    await writeOnce(objects, layout.cancelled, cancelledSchema, { reason, cancelledAt });
    if (!hasEnded) {
      const submitted = await readDocument(objects, layout.submitted, submittedSchema);
      if (submitted) await queue.cancel(submitted.reference, reason);
    }
    // The parts are one request, so all of them are cancelled.
    const next = (await readDocument(objects, layout.plan, planSchema))?.next;
    if (next !== undefined) {
      await cancel(next, reason).catch((error: unknown) => {
        if (!isAppError(error, 'JOB_NOT_FOUND')) throw error;
      });
    }
    return hasEnded ? before : (await findStatus(objects, queue, job)).status;
  }

  /** @throws AppError */
  async function checkNew(job: Job): Promise<void> {
    const { maxJobInputs, maxJobsPerDay } = options;
    if (!(await hasInputs(objects, job))) {
      throw new AppError('INVALID_REQUEST', 'the job has no inputs: nothing is there under that prefix');
    }
    if (job.source.kind === 'objects') checkSize(job.source.objects.length, maxJobInputs);
    if (job.origin === 'request' && maxJobsPerDay !== undefined)
      await checkDailyLimit(objects, maxJobsPerDay);
  }

  return {
    async submit({ jobId, origin, source, model, topK }) {
      const precision = await options.precisionOf?.(model);
      const wanted: Job = {
        format: 1,
        jobId,
        createdAt: new Date().toISOString(),
        origin,
        model,
        topK,
        ...(precision ? { precision } : {}),
        source,
        shardSize: options.shardSize,
        chunkSize: options.chunkSize,
      };
      await held.get(jobId);
      const known = await readJob(objects, jobId).catch((error: unknown) => {
        if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
        throw error;
      });
      if (!known) await checkNew(wanted);
      const job = known ?? (await recordJob(objects, wanted));
      if (!isSameRequest(job, wanted)) {
        throw new AppError('CONFLICT', 'this idempotencyKey stands for another request; take a new one');
      }
      await startSoon(job);
      return (await findStatus(objects, queue, job)).status;
    },

    source: async (jobId) => (await readJob(objects, jobId)).source,

    status: look,

    retry: async (jobId) => start(await readJob(objects, jobId)),

    async list(limit, cursor) {
      const { jobIds, next } = await listJobIds(objects, limit, cursor);
      const jobs = await Promise.all(
        jobIds.map((jobId) =>
          look(jobId).catch((error: unknown) => {
            // Removed by hand or by the bucket's lifecycle: only its place in the list is left.
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

    cancel,

    async resume() {
      const { jobIds } = await listJobIds(objects, Number.POSITIVE_INFINITY);
      const limited = pLimit(RESUMED_AT_ONCE);
      const resumed = await Promise.all(
        jobIds.toReversed().map((jobId) =>
          limited(async () => {
            try {
              // Most have ended: one small read tells.
              if (await readDocument(objects, jobLayout(jobId).summary, summarySchema)) return undefined;
              const job = await readJob(objects, jobId);
              const { status, isStranded } = await findStatus(objects, queue, job);
              if (isStranded) await start(job);
              return status.finishedAt === undefined ? jobId : undefined;
            } catch (error) {
              if (!isAppError(error, 'JOB_NOT_FOUND')) options.onError(error, jobId);
              return undefined;
            }
          }),
        ),
      );
      return resumed.filter((jobId) => jobId !== undefined);
    },

    async exclusively(jobId, action) {
      const done = action();
      held.set(
        jobId,
        done.catch(() => undefined),
      );
      await done.finally(() => held.delete(jobId));
    },

    async close() {
      closing.abort();
      await Promise.allSettled(starting.values());
    },
  };
}

function isSameRequest(a: Job, b: Job): boolean {
  const essence = ({ model, topK, source }: Job) => JSON.stringify([model, topK, essenceOf(source)]);
  return essence(a) === essence(b);
}

/** The files of a form, whichever folder they are in; a prefix; or keys, whose etags may have changed since. */
function essenceOf(source: JobSource): unknown {
  if (source.kind === 'objects') return source.objects.map(({ key }) => key);
  return source.digest === undefined ? source.prefix : { digest: source.digest };
}
