import { AppError } from '../domain/errors.ts';
import { type Job, jobSchema } from '../domain/job/job.ts';
import { INDEX_PREFIX, indexKey, jobIdOfIndexKey, jobLayout } from '../domain/job/job-layout.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { mark, readDocument, writeOnce } from './documents.ts';

/** The record of a job is its job.json and its entry in the index, from which jobs are listed. */

/** Creates the record. @returns the recorded job: `wanted`, or the one that an earlier request with this id recorded */
export async function recordJob(objects: ObjectStore, wanted: Job): Promise<Job> {
  const job = await writeOnce(objects, jobLayout(wanted.jobId).job, jobSchema, wanted);
  await mark(objects, indexKey(job.jobId, job.createdAt));
  return job;
}

/** Removes the record of a job that has no inputs. */
export async function removeRecord(objects: ObjectStore, job: Job): Promise<void> {
  await objects.delete(indexKey(job.jobId, job.createdAt));
  await objects.delete(jobLayout(job.jobId).job);
}

export async function findJob(objects: ObjectStore, jobId: string): Promise<Job | undefined> {
  return readDocument(objects, jobLayout(jobId).job, jobSchema);
}

/** @throws AppError JOB_NOT_FOUND */
export async function readJob(objects: ObjectStore, jobId: string): Promise<Job> {
  const job = await findJob(objects, jobId);
  if (!job) throw new AppError('JOB_NOT_FOUND', `there is no job ${jobId}`);
  return job;
}

/**
 * Job ids, newest first.
 *
 * @param cursor `next` of the previous page
 */
export async function listJobIds(
  objects: ObjectStore,
  limit: number,
  cursor?: string,
): Promise<{ readonly jobIds: readonly string[]; readonly next?: string }> {
  const jobIds: string[] = [];
  let last = '';
  const options = cursor === undefined ? {} : { startAfter: INDEX_PREFIX + cursor };
  for await (const { key } of objects.list(INDEX_PREFIX, options)) {
    if (jobIds.length === limit) return { jobIds, next: last };
    const jobId = jobIdOfIndexKey(key);
    if (jobId === undefined) continue;
    jobIds.push(jobId);
    last = key.slice(INDEX_PREFIX.length);
  }
  return { jobIds };
}
