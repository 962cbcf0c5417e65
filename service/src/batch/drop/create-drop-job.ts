import pLimit from 'p-limit';
import { isAppError } from '../../domain/errors.ts';
import type { DroppedVersion } from '../../domain/job/events.ts';
import { canRunAgain, type ResultRow, type ShardInput } from '../../domain/job/job.ts';
import { derivedJobId } from '../../domain/job/job-id.ts';
import { outputKey } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { Batch } from '../batch.ts';
import type { JobStatus } from '../status.ts';

/** Classes per dropped image; requests choose their own number. */
const TOP_K = 5;
/** Outputs that are read concurrently. */
const CONCURRENT_READS = 32;

export interface DropJobOptions {
  readonly batch: Pick<Batch, 'create' | 'status'>;
  readonly objects: ObjectStore;
  readonly model: string;
  readonly origin: 'event' | 'drop';
}

/**
 * Creates a job of dropped objects, or finds the one that exists. The id of a job derives from its objects and their
 * versions, so a repeated call completes the same job. Objects whose version has a result are left out.
 *
 * @param dropped sorted by key, each key once, at most MAX_OBJECTS
 * @returns the job's id; undefined if every object has its result
 * @throws AppError STORE_UNAVAILABLE, QUEUE_UNAVAILABLE
 */
export async function createDropJob(
  dropped: readonly DroppedVersion[],
  { batch, objects, model, origin }: DropJobOptions,
): Promise<string | undefined> {
  let wanted = dropped;
  let jobId = '';
  let known: JobStatus | undefined;
  const lookUp = async (round: readonly string[] = []) => {
    const versions = wanted.flatMap(({ key, etag }) => [key, etag ?? '']);
    jobId = derivedJobId(origin === 'event' ? 'e' : 'd', [model, String(TOP_K), ...versions, ...round]);
    known = await statusOf(batch, jobId);
  };
  await lookUp();
  // The same group finds its job. Another group may include objects that an earlier group classified.
  if (!known) {
    wanted = await withoutResult(objects, dropped, (row) => row.model === model);
    if (wanted.length === 0) return undefined;
    if (wanted.length < dropped.length) await lookUp();
  }
  // The job may have ended and its results may have been deleted since. The missing ones make another job, whose id
  // derives from the end of this one, so that a repeated call finds that job, too.
  // `batch.create` continues a job that can run again.
  while (known?.finishedAt !== undefined && !canRunAgain(known.status, known.counts)) {
    const { status, finishedAt } = known;
    // Only a newer drop undoes a cancellation, not a repeated event.
    if (status === 'CANCELLED') wanted = wanted.filter(({ at }) => isSince(at, finishedAt));
    // An error is a result here: the same version would fail again.
    wanted = await withoutResult(objects, wanted, (row) => row.error !== undefined || row.model === model);
    if (wanted.length === 0) return undefined;
    await lookUp([finishedAt]);
  }
  const source = { kind: 'objects' as const, objects: wanted.map(({ at: _, ...input }) => input) };
  await batch.create({ jobId, origin, source, model, topK: TOP_K });
  return jobId;
}

/** Compares whole seconds, since events may have no others. */
function isSince(at: number | undefined, iso: string): boolean {
  return at === undefined || Math.floor(at / 1000) >= Math.floor(Date.parse(iso) / 1000);
}

async function statusOf(batch: DropJobOptions['batch'], jobId: string): Promise<JobStatus | undefined> {
  try {
    return await batch.status(jobId);
  } catch (error) {
    if (isAppError(error, 'JOB_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function withoutResult(
  objects: ObjectStore,
  inputs: readonly DroppedVersion[],
  isResult: (row: ResultRow) => boolean,
): Promise<readonly DroppedVersion[]> {
  const hasResults = await pLimit(CONCURRENT_READS).map(inputs, (input) =>
    hasResult(objects, input, isResult),
  );
  return inputs.filter((_, i) => !hasResults[i]);
}

async function hasResult(
  objects: ObjectStore,
  { key, etag }: ShardInput,
  isResult: (row: ResultRow) => boolean,
): Promise<boolean> {
  const output = outputKey(key);
  if (output === undefined || etag === undefined) return false;
  try {
    const row = JSON.parse((await objects.get(output, { maxBytes: 1024 * 1024 })).toString()) as ResultRow;
    return row.etag === etag && isResult(row);
  } catch (error) {
    // It does not exist, or this service did not write it.
    if (isAppError(error, 'OBJECT_NOT_FOUND', 'IMAGE_TOO_LARGE') || error instanceof SyntaxError)
      return false;
    throw error;
  }
}
