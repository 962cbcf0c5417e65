import { AppError } from '../domain/errors.ts';
import {
  type Job,
  MAX_SHARDS,
  planningSchema,
  type ShardInput,
  type ShardPlan,
  shardPlanSchema,
} from '../domain/job/job.ts';
import { nextPartId } from '../domain/job/job-id.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import { formatShard, parseShard } from '../domain/job/shards.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createObject, readDocument, writeOnce } from './documents.ts';
import { listInputs, takeInputs } from './job-inputs.ts';

/** Shards between two checkpoints; 100 full ones are half a million inputs. */
const CHECKPOINT_EVERY = 100;

export interface PlanningOptions {
  /** Maximum shards of one job; further inputs go into its next part. */
  readonly maxShards?: number;
  /** Maximum inputs of a job with all its parts; no limit if absent. */
  readonly maxInputs?: number;
  /** Stops planning after a checkpoint, from which the next call continues. */
  readonly signal?: AbortSignal;
}

/** The signal stopped planning. */
export class PlanningStopped extends AppError {
  /** Shards written before that. */
  readonly newShards: number;

  constructor(newShards: number, cause: unknown) {
    super('REQUEST_CANCELLED', 'planning was stopped; it continues from its checkpoint', {}, { cause });
    this.newShards = newShards;
  }
}

/**
 * Divides the inputs of a job into shards while it lists them, with one shard in memory, and then writes `plan.json`.
 *
 * Shards form a chain: each is create-only, and the next one begins after the last key of the stored one. Therefore
 * planning continues where a crash ended it, and two concurrent planners agree even if their listings differ.
 *
 * @returns undefined if the job has no inputs
 * @throws AppError STORE_UNAVAILABLE; PAYLOAD_TOO_LARGE beyond `maxInputs`; PlanningStopped
 */
export async function planShards(
  objects: ObjectStore,
  job: Job,
  options: PlanningOptions = {},
): Promise<ShardPlan | undefined> {
  const layout = jobLayout(job.jobId);
  const maxShards = options.maxShards ?? MAX_SHARDS;
  const checkpoint = await readDocument(objects, layout.planning, planningSchema);
  const before = checkpoint?.shards ?? 0;
  let shards = before;
  let total = checkpoint?.total ?? 0;
  let end = checkpoint?.end ?? job.startAfter;
  let inputs = listInputs(objects, job, end, options.signal);
  let next: string | undefined;
  const save = async () => {
    const body = JSON.stringify({ shards, total, end });
    await objects.put(layout.planning, body, { contentType: 'application/json' });
  };
  try {
    for (;;) {
      options.signal?.throwIfAborted();
      const wanted = await takeInputs(inputs, shards < maxShards ? job.shardSize : 1);
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
        inputs = listInputs(objects, job, end, options.signal);
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
  return writeOnce(objects, layout.plan, shardPlanSchema, { shards, total, ...(next ? { next } : {}) });
}

/** @throws AppError PAYLOAD_TOO_LARGE */
export function checkSize(inputs: number, maxInputs: number | undefined): void {
  if (maxInputs === undefined || inputs <= maxInputs) return;
  throw new AppError(
    'PAYLOAD_TOO_LARGE',
    `the job has more than ${maxInputs} inputs (MAX_JOB_INPUTS); split it by prefix`,
  );
}

/** The job of the inputs after the last shard of `job`; undefined if there are none. */
export async function nextPart(objects: ObjectStore, job: Job, plan: ShardPlan): Promise<Job | undefined> {
  if (!plan.next) return undefined;
  const lastShard = parseShard((await objects.get(jobLayout(job.jobId).shard(plan.shards - 1))).toString());
  const startAfter = lastShard.at(-1)?.key;
  const inputsBefore = (job.inputsBefore ?? 0) + plan.total;
  return startAfter === undefined ? undefined : { ...job, jobId: plan.next, startAfter, inputsBefore };
}

/** @returns the stored inputs: `wanted`, or those of another planner */
async function storeShard(objects: ObjectStore, key: string, wanted: ShardInput[]): Promise<ShardInput[]> {
  const isCreated = await createObject(objects, key, formatShard(wanted), 'application/x-ndjson');
  return isCreated ? wanted : parseShard((await objects.get(key)).toString());
}
