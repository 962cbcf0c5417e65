import type { Job } from '../../domain/job/job.ts';
import { jobLayout, type ResultFormat } from '../../domain/job/job-layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { exists } from '../documents.ts';
import { listChunks } from './chunks.ts';
import { RESULT_TYPES } from './encode.ts';

/**
 * A presigned address of the result file of a job, if its results have more than `maxBytes`; undefined if they are
 * smaller, if the job has no such file, or if the store cannot presign.
 */
export async function presignResults(
  objects: ObjectStore,
  job: Job,
  format: ResultFormat,
  maxBytes: number,
): Promise<string | undefined> {
  if (!objects.presign || job.results !== 'rows' || maxBytes === Number.POSITIVE_INFINITY) return undefined;
  const key = jobLayout(job.jobId).resultFiles[format];
  if (!(await exists(objects, key)) || !(await isLarger(objects, job.jobId, maxBytes))) return undefined;
  return objects.presign(key, {
    contentType: RESULT_TYPES[format],
    ...(format === 'jsonl' ? { contentEncoding: 'gzip' } : {}),
  });
}

/** By JSON Lines, the largest format. */
async function isLarger(objects: ObjectStore, jobId: string, maxBytes: number): Promise<boolean> {
  let bytes = 0;
  for await (const { size } of listChunks(objects, jobId)) {
    bytes += size;
    if (bytes > maxBytes) return true;
  }
  return false;
}
