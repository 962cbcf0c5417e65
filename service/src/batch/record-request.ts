import { AppError } from '../domain/errors.ts';
import { isPastDeadline, type Job, type JobSource } from '../domain/job/job.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { checkDailyLimit } from './daily-limit.ts';
import { hasInputs } from './job-inputs.ts';
import { findJob, recordJob } from './job-records.ts';
import { checkSize } from './plan-shards.ts';
import { noInputs } from './start.ts';

export interface JobRequest
  extends Pick<Job, 'jobId' | 'origin' | 'source' | 'model' | 'topK' | 'results' | 'deadline'> {}

export interface RequestOptions {
  readonly objects: ObjectStore;
  readonly shardSize: number;
  readonly chunkSize: number;
  /** The precision that all workers of a job use (see inference/job-precision.ts). */
  readonly precisionOf?: (model: string) => Promise<Job['precision']>;
  /** Maximum inputs of a job with all its parts; no limit if absent. */
  readonly maxJobInputs?: number | undefined;
  /** Maximum jobs of origin `request` in 24 hours; no limit if absent. */
  readonly maxJobsPerDay?: number | undefined;
}

/**
 * Records the job of a request, or finds it by its id. A drop is not checked: its inputs exist, and no limit applies.
 *
 * @throws AppError INVALID_REQUEST without inputs, CONFLICT if the id belongs to another request, PAYLOAD_TOO_LARGE,
 *   RATE_LIMITED; then nothing is recorded
 */
export async function recordRequest(request: JobRequest, options: RequestOptions): Promise<Job> {
  const { objects, shardSize, chunkSize } = options;
  const isChecked = request.origin === 'request';
  let job = isChecked ? await findJob(objects, request.jobId) : undefined;
  if (!job) {
    if (isChecked) await checkRequest(request, options);
    const precision = await options.precisionOf?.(request.model);
    job = await recordJob(objects, {
      format: 1,
      createdAt: new Date().toISOString(),
      ...request,
      ...(precision ? { precision } : {}),
      shardSize,
      chunkSize,
    });
  }
  if (isSameRequest(job, request)) return job;
  throw new AppError('CONFLICT', 'the idempotencyKey belongs to another request; use a new one');
}

async function checkRequest(
  { source, deadline }: JobRequest,
  { objects, maxJobInputs, maxJobsPerDay }: RequestOptions,
): Promise<void> {
  if (isPastDeadline({ deadline })) {
    throw new AppError('INVALID_REQUEST', `the deadline ${deadline} has passed; send a later one`);
  }
  if (!(await hasInputs(objects, { source }))) throw noInputs();
  if (source.kind === 'objects') checkSize(source.objects.length, maxJobInputs);
  if (maxJobsPerDay !== undefined) await checkDailyLimit(objects, maxJobsPerDay);
}

function isSameRequest(a: JobRequest, b: JobRequest): boolean {
  const identity = ({ model, topK, source, results = 'objects', deadline }: JobRequest) =>
    JSON.stringify([model, topK, results, identityOf(source), deadline]);
  return identity(a) === identity(b);
}

/** The digest of a form, since each request stores its files elsewhere; a prefix; or keys, whose etags may change. */
function identityOf(source: JobSource): unknown {
  if (source.kind === 'objects') return source.objects.map(({ key }) => key);
  return source.digest === undefined ? source.prefix : { digest: source.digest };
}
