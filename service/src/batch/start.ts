import { AppError, isAppError } from '../domain/errors.ts';
import {
  cancelledSchema,
  canRunAgain,
  type Job,
  type ShardPlan,
  shardPlanSchema,
  submittedSchema,
  summarySchema,
} from '../domain/job/job.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readDocument, writeOnce } from './documents.ts';
import { recordJob, removeRecord } from './job-records.ts';
import { nextPart, type PlanningOptions, planShards } from './plan-shards.ts';

export interface StartOptions extends PlanningOptions {
  readonly objects: ObjectStore;
  readonly queue: JobQueue;
}

/** @returns the error for a job without inputs */
export function noInputs(): AppError {
  return new AppError('INVALID_REQUEST', 'the job has no inputs: no object has that prefix');
}

/**
 * Plans a recorded job and submits it to the queue, then its further parts. Each step is recorded after it is done and
 * can be repeated, so another call completes what a crash left. It does nothing for a job that has ended, except that
 * a job that FAILED with pending inputs runs again. A job with more than `maxInputs` inputs ends as FAILED.
 *
 * @throws AppError INVALID_REQUEST if the job has no inputs (its record is removed), STORE_UNAVAILABLE,
 *   QUEUE_UNAVAILABLE, PlanningStopped
 */
export async function startJob(first: Job, options: StartOptions): Promise<void> {
  const { objects } = options;
  for (let job: Job | undefined = first; job; ) {
    const layout = jobLayout(job.jobId);
    const [cancelled, known] = await Promise.all([
      readDocument(objects, layout.cancelled, cancelledSchema),
      readDocument(objects, layout.plan, shardPlanSchema),
    ]);
    if (cancelled) return;
    const plan: ShardPlan | 'too large' | undefined = known ?? (await planOrFail(job, options));
    if (plan === 'too large') return;
    if (!plan) {
      await removeRecord(objects, job);
      throw noInputs();
    }
    await enqueue(job, plan, options);
    job = await recordNextPart(job, plan, objects);
  }
}

async function planOrFail(job: Job, options: StartOptions): Promise<ShardPlan | 'too large' | undefined> {
  const { objects } = options;
  try {
    return await planShards(objects, job, options);
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
 * Records the next part, then checks whether this part was cancelled. `cancelJob` writes its document first and looks
 * for the next part second, so at least one of the two sees the other.
 */
async function recordNextPart(job: Job, plan: ShardPlan, objects: ObjectStore): Promise<Job | undefined> {
  const next = await nextPart(objects, job, plan);
  if (!next) return undefined;
  const recorded = await recordJob(objects, next);
  const cancelled = await readDocument(objects, jobLayout(job.jobId).cancelled, cancelledSchema);
  if (!cancelled) return recorded;
  await writeOnce(objects, jobLayout(next.jobId).cancelled, cancelledSchema, cancelled);
  return undefined;
}

async function enqueue(job: Job, plan: ShardPlan, { objects, queue }: StartOptions): Promise<void> {
  const layout = jobLayout(job.jobId);
  const [summary, submitted, cancelledBefore] = await Promise.all([
    readDocument(objects, layout.summary, summarySchema),
    readDocument(objects, layout.submitted, submittedSchema),
    // Planning takes time, in which the job may have been cancelled.
    readDocument(objects, layout.cancelled, cancelledSchema),
  ]);
  if (cancelledBefore) return;
  if (summary && !canRunAgain(summary.state, summary.counts)) return;
  if (submitted) {
    const known = await queue.status(submitted.reference);
    if (known && ['SUBMITTED', 'RUNNING', 'SUCCEEDED'].includes(known.state)) return;
    // The job failed or the queue has forgotten it: run it again; workers skip finished chunks.
    await objects.delete(layout.submitted);
  }
  // Also needed after a crash between the two deletions: an old summary would hide the new run.
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
  // Another process submitted the job at the same time: keep its run only.
  if (written.reference !== reference) await queue.cancel(reference, 'submitted twice');
  // A cancellation during the submission found nothing to cancel in the queue.
  const cancelled = await readDocument(objects, layout.cancelled, cancelledSchema);
  if (cancelled) await queue.cancel(written.reference, cancelled.reason);
}
