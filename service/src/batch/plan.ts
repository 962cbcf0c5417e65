import { AppError, isAppError } from '../domain/errors.ts';
import {
  type Job,
  MAX_SHARDS,
  type Plan,
  planningSchema,
  planSchema,
  type ShardInput,
} from '../domain/job/job.ts';
import { nextPartId } from '../domain/job/job-id.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import { formatShard, parseShard } from '../domain/job/shards.ts';
import { compareKeys, isFolderMarker } from '../domain/keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readDocument, writeOnce } from './documents.ts';

/** How many listed objects without an etag are looked at together. */
const HEADS_AT_ONCE = 32;

/** Shards between two checkpoints; 100 full ones are half a million inputs. */
const CHECKPOINT_EVERY = 100;

export interface PlanOptions {
  /** Most shards of one job; the rest goes into the next part. */
  readonly maxShards?: number;
  /** Most inputs of a job with all its parts; not bounded when absent. */
  readonly maxInputs?: number;
  /** Stops planning after a checkpoint, from which the next call continues. */
  readonly signal?: AbortSignal;
}

/** Planning was stopped by its signal. */
export class PlanningStopped extends AppError {
  /** Shards that were written before it was. */
  readonly newShards: number;

  constructor(newShards: number, cause: unknown) {
    super('REQUEST_CANCELLED', 'planning was stopped; it continues from its checkpoint', {}, { cause });
    this.newShards = newShards;
  }
}

/**
 * Writes the shards of a job while its inputs are read, holding one shard in memory, and then `plan.json`.
 *
 * Shards form a chain: each is written only if it is not there, and the next one begins behind the last key of the one
 * that is. So planning goes on where a crash ended it, and two planners at once agree, even if they see different listings.
 *
 * @returns undefined when there is nothing to do: no input at all
 * @throws AppError STORE_UNAVAILABLE; PAYLOAD_TOO_LARGE beyond `maxInputs`; PlanningStopped
 */
export async function planJob(
  objects: ObjectStore,
  job: Job,
  options: PlanOptions = {},
): Promise<Plan | undefined> {
  const layout = jobLayout(job.jobId);
  const maxShards = options.maxShards ?? MAX_SHARDS;
  const checkpoint = await readDocument(objects, layout.planning, planningSchema);
  const before = checkpoint?.shards ?? 0;
  let shards = before;
  let total = checkpoint?.total ?? 0;
  let end = checkpoint?.end ?? job.startAfter;
  let inputs = openInputs(objects, job, end, options.signal);
  let next: string | undefined;
  const save = async () => {
    const body = JSON.stringify({ shards, total, end });
    await objects.put(layout.planning, body, { contentType: 'application/json' });
  };
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      const wanted = await take(inputs, shards < maxShards ? job.shardSize : 1);
      const last = wanted.at(-1);
      if (!last) break;
      checkSize((job.inputsBefore ?? 0) + total + wanted.length, options.maxInputs);
      if (shards === maxShards) {
        next = nextPartId(job.jobId);
        break;
      }
      const stored = await storeShard(objects, layout.shard(shards), wanted);
      total += stored.length;
      shards += 1;
      end = stored.at(-1)?.key ?? last.key;
      if (end !== last.key) {
        await inputs.return(undefined);
        inputs = openInputs(objects, job, end, options.signal);
      }
      if (shards % CHECKPOINT_EVERY === 0) await save();
    }
    await inputs.return(undefined);
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    if (shards > before) await save();
    throw new PlanningStopped(shards - before, error);
  }
  if (shards === 0) return undefined;
  return writeOnce(objects, layout.plan, planSchema, { shards, total, ...(next ? { next } : {}) });
}

/** @throws AppError PAYLOAD_TOO_LARGE */
export function checkSize(inputs: number, maxInputs: number | undefined): void {
  if (maxInputs === undefined || inputs <= maxInputs) return;
  throw new AppError(
    'PAYLOAD_TOO_LARGE',
    `the job has more than ${maxInputs} inputs (MAX_JOB_INPUTS); split it by prefix`,
  );
}

/** The part of a job behind its last shard. */
export async function nextPart(objects: ObjectStore, job: Job, plan: Plan): Promise<Job | undefined> {
  if (!plan.next) return undefined;
  const lastShard = parseShard((await objects.get(jobLayout(job.jobId).shard(plan.shards - 1))).toString());
  const startAfter = lastShard.at(-1)?.key;
  const inputsBefore = (job.inputsBefore ?? 0) + plan.total;
  return startAfter === undefined ? undefined : { ...job, jobId: plan.next, startAfter, inputsBefore };
}

/** Whether a job would have an input at all: looked at before anything is written. */
export async function hasInputs(objects: ObjectStore, job: Pick<Job, 'source'>): Promise<boolean> {
  if (job.source.kind === 'objects') return job.source.objects.length > 0;
  for await (const { key } of objects.list(job.source.prefix)) if (!isFolderMarker(key)) return true;
  return false;
}

async function storeShard(objects: ObjectStore, key: string, wanted: ShardInput[]): Promise<ShardInput[]> {
  try {
    await objects.put(key, formatShard(wanted), { ifAbsent: true, contentType: 'application/x-ndjson' });
    return wanted;
  } catch (error) {
    if (!isAppError(error, 'CONFLICT')) throw error;
    return parseShard((await objects.get(key)).toString());
  }
}

async function* openInputs(
  objects: ObjectStore,
  { source }: Job,
  startAfter: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<ShardInput, void> {
  if (source.kind === 'prefix') {
    const options = { ...(startAfter === undefined ? {} : { startAfter }), ...(signal ? { signal } : {}) };
    for await (const { key, etag, size } of objects.list(source.prefix, options)) {
      if (!isFolderMarker(key)) yield { key, etag, size };
    }
    return;
  }
  const rest = source.objects.filter(
    ({ key }) => startAfter === undefined || compareKeys(key, startAfter) > 0,
  );
  for (let i = 0; i < rest.length; i += HEADS_AT_ONCE) {
    signal?.throwIfAborted();
    yield* await Promise.all(rest.slice(i, i + HEADS_AT_ONCE).map((input) => withEtag(objects, input)));
  }
}

/** An object that is missing, or whose key the store cannot hold, stays in the job: its row has the error. */
async function withEtag(objects: ObjectStore, input: ShardInput): Promise<ShardInput> {
  if (input.etag !== undefined) return input;
  try {
    const { etag, size } = await objects.head(input.key);
    return { key: input.key, etag, size };
  } catch (error) {
    if (isAppError(error, 'OBJECT_NOT_FOUND', 'INVALID_REQUEST')) return { key: input.key };
    throw error;
  }
}

async function take(inputs: AsyncGenerator<ShardInput, void>, count: number): Promise<ShardInput[]> {
  const taken: ShardInput[] = [];
  while (taken.length < count) {
    const next = await inputs.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
