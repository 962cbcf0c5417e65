import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planJob } from '../src/batch/plan.ts';
import { recordJob } from '../src/batch/start.ts';
import { findStatus, type JobStatus } from '../src/batch/status.ts';
import type { Job, Plan } from '../src/domain/job.ts';
import { jobLayout } from '../src/domain/job-layout.ts';
import { createFileStore } from '../src/storage/files.ts';
import type { ObjectInfo, ObjectStore } from '../src/storage/object-store.ts';

export interface ScaleRun {
  readonly plan: Plan;
  readonly shards: number;
  readonly planMs: number;
  /** Largest heap seen at any page of the listing, with garbage collected where `--expose-gc` allows it. */
  readonly peakHeapBytes: number;
  /** Pages of 1,000 that planning listed. */
  readonly listPages: number;
  /** Requests that one status took when all shards but one were done: pages of listings, and reads. */
  readonly statusCalls: number;
  readonly status: JobStatus;
}

const PAGE = 1_000;
const INPUTS = 'input/simulated/';

/**
 * Plans a job of `keys` keys and looks at its status with all shards but one done. Keys come from a generator in pages
 * of 1,000, as S3 lists them; shards, markers and documents are real files.
 */
export async function simulateScale(keys: number, shardSize = 5_000): Promise<ScaleRun> {
  const folder = await mkdtemp(join(tmpdir(), 'scale-'));
  try {
    const counted = countCalls(withSimulatedInputs(await createFileStore(folder), keys));
    const job: Job = {
      format: 1,
      jobId: 'scale',
      createdAt: new Date().toISOString(),
      origin: 'request',
      model: 'none',
      topK: 5,
      source: { kind: 'prefix', prefix: INPUTS },
      shardSize,
      chunkSize: 128,
    };
    await recordJob(counted.objects, job);
    const started = performance.now();
    const plan = await planJob(counted.objects, job);
    const planMs = performance.now() - started;
    if (!plan) throw new Error('no plan');
    const { listPages, peakHeapBytes } = counted;

    const layout = jobLayout(job.jobId);
    const batch = 64;
    for (let at = 0; at < plan.shards - 1; at += batch) {
      const some = Array.from({ length: Math.min(batch, plan.shards - 1 - at) }, (_, i) => at + i);
      await Promise.all(some.map((shard) => counted.objects.put(layout.shardMarker(shard, shardSize - 1, 1), '')));
    }
    counted.reset();
    const noQueue = { submit: never, status: async () => undefined, cancel: never, close: async () => {} };
    const { status } = await findStatus(counted.objects, noQueue, job);
    return { plan, shards: plan.shards, planMs, peakHeapBytes, listPages, statusCalls: counted.calls, status };
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
      if (key > startAfter) yield { key, etag: '0123456789abcdef0123456789abcdef', size: 100_000, lastModified };
    }
  }
  return {
    ...objects,
    list: (prefix, options) => (prefix === INPUTS ? simulated(options?.startAfter ?? '') : objects.list(prefix, options)),
  };
}

function countCalls(inner: ObjectStore) {
  const counted = {
    calls: 0,
    listPages: 0,
    peakHeapBytes: 0,
    reset: () => Object.assign(counted, { calls: 0, listPages: 0 }),
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
    globalThis.gc?.();
    counted.peakHeapBytes = Math.max(counted.peakHeapBytes, process.memoryUsage().heapUsed);
  }
  return counted;
}
