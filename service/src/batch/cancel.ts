import { isAppError } from '../domain/errors.ts';
import { cancelledSchema, shardPlanSchema, submittedSchema } from '../domain/job/job.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readDocument, writeOnce } from './documents.ts';
import { readJob } from './job-records.ts';
import { type JobStatus, lookUpJob } from './status.ts';

/**
 * Cancels a job and the parts after it; a job that has ended stays as it is, but its parts are cancelled.
 *
 * @throws AppError JOB_NOT_FOUND, STORE_UNAVAILABLE, QUEUE_UNAVAILABLE
 */
export async function cancelJob(
  objects: ObjectStore,
  queue: JobQueue,
  jobId: string,
  reason: string,
): Promise<JobStatus> {
  const job = await readJob(objects, jobId);
  const layout = jobLayout(jobId);
  const before = (await lookUpJob(objects, queue, job)).status;
  const hasEnded = before.finishedAt !== undefined;
  if (hasEnded && before.next === undefined) return before;
  // Written before the submission and the next part are read, either of which may be recorded now: see start.ts.
  const cancelledAt = new Date().toISOString();
  await writeOnce(objects, layout.cancelled, cancelledSchema, { reason, cancelledAt });
  if (!hasEnded) {
    const submitted = await readDocument(objects, layout.submitted, submittedSchema);
    if (submitted) await queue.cancel(submitted.reference, reason);
  }
  const next = (await readDocument(objects, layout.plan, shardPlanSchema))?.next;
  if (next !== undefined) {
    await cancelJob(objects, queue, next, reason).catch((error: unknown) => {
      if (!isAppError(error, 'JOB_NOT_FOUND')) throw error;
    });
  }
  return hasEnded ? before : (await lookUpJob(objects, queue, job)).status;
}
