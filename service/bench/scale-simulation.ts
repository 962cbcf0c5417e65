import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { recordJob } from '../src/batch/job-records.ts';
import { planShards } from '../src/batch/plan-shards.ts';
import { type JobStatus, lookUpJob } from '../src/batch/status.ts';
import type { Job, ShardPlan } from '../src/domain/job/job.ts';
import { jobLayout } from '../src/domain/job/job-layout.ts';
import { createFileStore } from '../src/storage/folder/folder.ts';
import type { ObjectInfo, ObjectStore } from '../src/storage/object-store.ts';

export interface PlanRun {
  readonly plan: ShardPlan;
  readonly planMs: number;
  /** Largest heap seen at any page of the listing, with garbage collected where `--expose-gc` allows it. */
  readonly peakHeapBytes: number;
  /** Pages of 1,000 that planning listed. */
  readonly listPages: number;
}

export interface StatusRun {
  readonly status: JobStatus;
  /** Requests that it took: pages of listings, and reads. */
  readonly calls: number;
}

const PAGE = 1_000;
const INPUTS = 'input/simulated/';
const SHARD_SIZE = 5_000;

const job: Job = {
  format: 1,
  jobId: 'scale',
  createdAt: new Date().toISOString(),
  origin: 'request',
  model: 'none',
  topK: 5,
  source: { kind: 'prefix', prefix: INPUTS },
  shardSize: SHARD_SIZE,
  chunkSize: 128,
};

/** Plans a job of `keys` keys that a generator lists in pages of 1,000, as S3 does; the shards are real files. */
export function simulatePlan(keys: number): Promise<PlanRun> {
  return inFolder(async (folder) => {
    const counted = countCalls(withSimulatedInputs(await createFileStore(folder), keys));
    await recordJob(counted.objects, job);
    const started = performance.now();
    const plan = await planShards(counted.objects, job);
    const planMs = performance.now() - started;
    if (!plan) throw new Error('no plan');
    return { plan, planMs, peakHeapBytes: counted.peakHeapBytes, listPages: counted.listPages };
  });
}

/** Looks at a job of full shards of which all but one are done, one input of each with an error. */
export function simulateStatus(shards: number): Promise<StatusRun> {
  return inFolder(async (folder) => {
    const objects = await createFileStore(folder);
    const layout = jobLayout(job.jobId);
    await objects.put(layout.plan, JSON.stringify({ shards, total: shards * SHARD_SIZE }));
    const limit = pLimit(16);
    await Promise.all(
      Array.from({ length: shards - 1 }, (_, shard) =>
        limit(() => objects.put(layout.shardMarker(shard, SHARD_SIZE - 1, 1), '')),
      ),
    );
    const counted = countCalls(objects);
    const noQueue = { submit: never, status: async () => undefined, cancel: never, close: async () => {} };
    const { status } = await lookUpJob(counted.objects, noQueue, job);
    return { status, calls: counted.calls };
  });
}

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'scale-'));
  try {
    return await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const never = async (): Promise<never> => {
  throw new Error('not part of the simulation');
};

function withSimulatedInputs(objects: ObjectStore, keys: number): ObjectStore {
  async function* simulated(startAfter: string): AsyncGenerator<ObjectInfo> {
    const lastModified = new Date();
    for (let n = 0; n < keys; n++) {
      const key = `${INPUTS}${String(n).padStart(8, '0')}-a-name-of-usual-length.jpg`;
      if (key > startAfter)
        yield { key, etag: '0123456789abcdef0123456789abcdef', size: 100_000, lastModified };
    }
  }
  return {
    ...objects,
    list: (prefix, options) =>
      prefix === INPUTS ? simulated(options?.startAfter ?? '') : objects.list(prefix, options),
  };
}

function countCalls(inner: ObjectStore) {
  const counted = {
    calls: 0,
    listPages: 0,
    peakHeapBytes: 0,
    objects: {
      ...inner,
      get: (key, options) => {
        counted.calls += 1;
        return inner.get(key, options);
      },
      async *list(prefix, options) {
        let n = 0;
        for await (const info of inner.list(prefix, options)) {
          if (n++ % PAGE === 0) page();
          yield info;
        }
        if (n === 0) page();
      },
    } as ObjectStore,
  };
  function page(): void {
    counted.calls += 1;
    counted.listPages += 1;
    // Collecting takes longer than a page does: every tenth will do.
    if (counted.listPages % 10 !== 0) return;
    globalThis.gc?.();
    counted.peakHeapBytes = Math.max(counted.peakHeapBytes, process.memoryUsage().heapUsed);
  }
  return counted;
}
