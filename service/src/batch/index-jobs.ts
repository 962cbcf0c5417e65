import type { Job } from '../domain/job/job.ts';
import { INDEX_PREFIX, indexKey, jobIdOfIndexKey } from '../domain/job/job-layout.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { mark } from './documents.ts';

/** Puts a job into the listing of jobs. Its place derives from job.json, so that it can be done again. */
export async function indexJob(objects: ObjectStore, job: Job): Promise<void> {
  await mark(objects, indexKey(job.jobId, job.createdAt));
}

/** Takes it out, for a job that could not be made. */
export async function unindexJob(objects: ObjectStore, job: Job): Promise<void> {
  await objects.delete(indexKey(job.jobId, job.createdAt));
}

/**
 * Job ids, newest first.
 *
 * @param cursor what an earlier page returned
 */
export async function listJobIds(
  objects: ObjectStore,
  limit: number,
  cursor?: string,
): Promise<{ readonly jobIds: readonly string[]; readonly next?: string }> {
  const jobIds: string[] = [];
  let last = '';
  const startAfter = cursor === undefined ? undefined : INDEX_PREFIX + cursor;
  for await (const { key } of objects.list(INDEX_PREFIX, startAfter === undefined ? {} : { startAfter })) {
    if (jobIds.length === limit) return { jobIds, next: last };
    const jobId = jobIdOfIndexKey(key);
    if (jobId === undefined) continue;
    jobIds.push(jobId);
    last = key.slice(INDEX_PREFIX.length);
  }
  return { jobIds };
}
