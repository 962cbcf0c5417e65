import { AppError, isAppError } from '../domain/errors.ts';
import {
  cancelledSchema,
  type Job,
  jobSchema,
  type Plan,
  planSchema,
  submittedSchema,
  summarySchema,
} from '../domain/job/job.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readDocument, writeOnce } from './documents.ts';
import { indexJob, unindexJob } from './index-jobs.ts';
import { nextPart, planJob } from './plan.ts';

export interface StartOptions {
  readonly objects: ObjectStore;
  readonly queue: JobQueue;
  readonly maxShards?: number;
  /** Most inputs of a job with all its parts; a job that has more ends as FAILED. Not bounded when absent. */
  readonly maxInputs?: number;
  readonly signal?: AbortSignal;
}

/** Writes what was asked. @returns what stands there: the same, or what an earlier request with this id asked */
export async function recordJob(objects: ObjectStore, wanted: Job): Promise<Job> {
  const job = await writeOnce(objects, jobLayout(wanted.jobId).job, jobSchema, wanted);
  await indexJob(objects, job);
  return job;
}

/**
 * Takes a recorded job from wherever it stands to the queue: plans it, submits it, and goes on with its next parts.
 * Each step is written down after it is done and can be done again, so calling this once more heals whatever a crash
 * left; for a job that has ended it does nothing. A job that failed with inputs pending is given another run.
 *
 * @throws AppError INVALID_REQUEST when it has no input at all (the job is taken back), STORE_UNAVAILABLE, QUEUE_UNAVAILABLE, PlanningStopped
 */
export async function startJob(first: Job, options: StartOptions): Promise<void> {
  const { objects } = options;
  for (let job: Job | undefined = first; job; ) {
    const layout = jobLayout(job.jobId);
    if (await readDocument(objects, layout.cancelled, cancelledSchema)) return;
    const plan: Plan | 'too large' | undefined =
      (await readDocument(objects, layout.plan, planSchema)) ?? (await planOrFail(job, options));
    if (plan === 'too large') return;
    if (!plan) {
      await forgetJob(objects, job);
      throw new AppError('INVALID_REQUEST', 'the job has no inputs: nothing is there under that prefix');
    }
    await submit(job, plan, options);
    job = await recordNextPart(job, plan, objects);
  }
}

async function planOrFail(job: Job, options: StartOptions): Promise<Plan | 'too large' | undefined> {
  const { objects } = options;
  try {
    return await planJob(objects, job, options);
  } catch (error) {
    if (!isAppError(error, 'PAYLOAD_TOO_LARGE')) throw error;
    await writeOnce(objects, jobLayout(job.jobId).summary, summarySchema, {
      state: 'FAILED',
      counts: { total: 0, succeeded: 0, failed: 0, pending: 0 },
      finishedAt: new Date().toISOString(),
      reason: error.message,
    });
    return 'too large';
  }
}

/**
 * Records the next part, then looks for a cancellation of this one. `cancel` writes its document first and looks for
 * the next part second, so at least one of the two sees the other.
 */
async function recordNextPart(job: Job, plan: Plan, objects: ObjectStore): Promise<Job | undefined> {
  const next = await nextPart(objects, job, plan);
  if (!next) return undefined;
  const recorded = await recordJob(objects, next);
  const cancelled = await readDocument(objects, jobLayout(job.jobId).cancelled, cancelledSchema);
  if (!cancelled) return recorded;
  await writeOnce(objects, jobLayout(next.jobId).cancelled, cancelledSchema, cancelled);
  return undefined;
}

async function submit(job: Job, plan: Plan, { objects, queue }: StartOptions): Promise<void> {
  const layout = jobLayout(job.jobId);
  const [summary, submitted, cancelledBefore] = await Promise.all([
    readDocument(objects, layout.summary, summarySchema),
    readDocument(objects, layout.submitted, submittedSchema),
    // Planning takes a while: the cancellation may have come meanwhile.
    readDocument(objects, layout.cancelled, cancelledSchema),
  ]);
  if (cancelledBefore) return;
  if (summary && (summary.state !== 'FAILED' || summary.counts.pending === 0)) return;
  if (submitted) {
    const known = await queue.status(submitted.reference);
    if (known && ['SUBMITTED', 'RUNNING', 'SUCCEEDED'].includes(known.state)) return;
    // The queue gave up on it or has forgotten it: another run, which skips the chunks that are there.
    await objects.delete(layout.submitted);
  }
  // Also after a crash behind the deletion above: a summary that stays would hide the new run.
  if (summary) await objects.delete(layout.summary);
  const { reference } = await queue.submit({
    jobId: job.jobId,
    shards: plan.shards,
    jobUri: `${objects.uri}/${layout.job}`,
    environment: { MODEL: job.model, ...(job.precision ? { PRECISION: job.precision } : {}) },
  });
  const written = await writeOnce(objects, layout.submitted, submittedSchema, {
    reference,
    submittedAt: new Date().toISOString(),
  });
  // Somebody else submitted it at the same moment: one run is enough.
  if (written.reference !== reference) await queue.cancel(reference, 'submitted twice');
  // A cancellation that came while it was being submitted found nothing to cancel.
  const cancelled = await readDocument(objects, layout.cancelled, cancelledSchema);
  if (cancelled) await queue.cancel(written.reference, cancelled.reason);
}

async function forgetJob(objects: ObjectStore, job: Job): Promise<void> {
  await unindexJob(objects, job);
  await objects.delete(jobLayout(job.jobId).job);
}
