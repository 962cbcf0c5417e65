import { AppError, isAppError } from '../domain/errors.ts';
import type { ShardInput } from '../domain/job/job.ts';
import { jobLayout } from '../domain/job/job-layout.ts';
import { parseShard } from '../domain/job/shards.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readJob } from './job-records.ts';

/** Inputs of a job that can be looked up by key. */
const MAX_FIRST_INPUTS = 1000;
/** Jobs whose first inputs are kept in memory: at most about 1 MB each. */
const MAX_CACHED_JOBS = 8;

/** Finds one of the first inputs of a job by its key. */
export interface FirstInputs {
  /** @throws AppError JOB_NOT_FOUND, OBJECT_NOT_FOUND (not among the first inputs), STORE_UNAVAILABLE */
  find(jobId: string, key: string): Promise<ShardInput>;
}

export function createFirstInputs(objects: ObjectStore): FirstInputs {
  const cache = new Map<string, Promise<Map<string, ShardInput>>>();

  function load(jobId: string): Promise<Map<string, ShardInput>> {
    const loading = readFirstInputs(objects, jobId);
    cache.delete(jobId);
    cache.set(jobId, loading);
    loading.catch(() => cache.delete(jobId));
    for (const oldest of cache.keys()) {
      if (cache.size <= MAX_CACHED_JOBS) break;
      cache.delete(oldest);
    }
    return loading;
  }

  return {
    async find(jobId, key) {
      let inputs = await (cache.get(jobId) ?? load(jobId));
      // While a job is planned, shards are added.
      if (!inputs.has(key) && inputs.size < MAX_FIRST_INPUTS) inputs = await load(jobId);
      const input = inputs.get(key);
      if (input) return input;
      const message = `the key is not one of the first ${MAX_FIRST_INPUTS} inputs of job ${jobId}`;
      throw new AppError('OBJECT_NOT_FOUND', message);
    },
  };
}

async function readFirstInputs(objects: ObjectStore, jobId: string): Promise<Map<string, ShardInput>> {
  await readJob(objects, jobId);
  const layout = jobLayout(jobId);
  const inputs = new Map<string, ShardInput>();
  for (let shard = 0; inputs.size < MAX_FIRST_INPUTS; shard++) {
    try {
      const text = await readLines(objects, layout.shard(shard), MAX_FIRST_INPUTS - inputs.size);
      for (const input of parseShard(text)) inputs.set(input.key, input);
    } catch (error) {
      if (isAppError(error, 'OBJECT_NOT_FOUND')) break;
      throw error;
    }
  }
  return inputs;
}

/** The first lines of an object. A shard may have a million. */
async function readLines(objects: ObjectStore, key: string, most: number): Promise<string> {
  const stream = await objects.read(key);
  let text = '';
  let lines = 0;
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    for (let from = 0; ; ) {
      const end = chunk.indexOf('\n', from);
      if (end < 0) {
        text += chunk.slice(from);
        break;
      }
      text += chunk.slice(from, end + 1);
      lines += 1;
      if (lines === most) return text;
      from = end + 1;
    }
  }
  return text;
}
