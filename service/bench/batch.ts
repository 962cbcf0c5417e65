import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { readCpu } from '../../models/cpu.ts';
import { createBatch, jobIdFor } from '../src/batch/batch.ts';
import { loadConfig } from '../src/config/config.ts';
import { workerEnvironment } from '../src/config/worker.ts';
import { compareKeys } from '../src/domain/keys.ts';
import type { JobQueue, JobSubmission } from '../src/jobs/job-queue.ts';
import { createFileStore } from '../src/storage/folder/folder.ts';
import { type EngineCosts, precisionsOf } from './engine.ts';
import { limitOf } from './limit.ts';
import { photographs } from './load.ts';
import { median, printTable, ratio } from './table.ts';

const WORKER = resolve('dist', 'bundle', 'worker.js');
const IMAGES = 512;
/** Number of processes that classify one picture each, to measure the start. */
const SINGLES = 5;

/** Runs a worker as AWS Batch does. @returns its duration in milliseconds */
async function work(job: JobSubmission, precision: string): Promise<number> {
  const started = performance.now();
  const env = workerEnvironment({
    JOB_URI: job.jobUri,
    PRECISION: precision,
    LOG_LEVEL: 'error',
    TF_CPP_MIN_LOG_LEVEL: '2',
    ...job.environment,
  });
  const child = spawn(process.execPath, [WORKER], { env, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the worker ended with ${code}`);
  return performance.now() - started;
}

/** Compares a worker on one shard of pictures in a folder with the engine's limit and with one process per picture. */
export async function benchBatch(engines: EngineCosts, decodeMs: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-batch-'));
  try {
    const objects = await createFileStore(folder);
    const pictures = await photographs(IMAGES);
    for (const [i, bytes] of pictures.entries()) await objects.put(`input/${i}.jpg`, bytes);
    const submissions: JobSubmission[] = [];
    const queue: JobQueue = {
      submit: async (job) => {
        submissions.push(job);
        return { reference: job.jobId };
      },
      status: async () => undefined,
      cancel: async () => {},
      close: async () => {},
    };
    const { SHARD_SIZE: shardSize, CHUNK_SIZE: chunkSize, MODEL: model } = loadConfig();
    const batch = createBatch({
      objects,
      queue,
      shardSize,
      chunkSize,
      startWithinMs: 60_000,
      onError: () => {},
    });
    const submit = async (keys: string[]) => {
      const source = { kind: 'objects', objects: keys.sort(compareKeys).map((key) => ({ key })) } as const;
      await batch.create({ jobId: jobIdFor(), origin: 'request', source: { ...source }, model, topK: 5 });
      return submissions.at(-1) as JobSubmission;
    };
    const rows: string[][] = [];
    for (const { precision, variant } of precisionsOf(readCpu())) {
      const singles: number[] = [];
      for (let i = 0; i < SINGLES; i++) singles.push(await work(await submit([`input/${i}.jpg`]), precision));
      const start = median(singles);
      const all = await work(
        await submit(Array.from({ length: IMAGES }, (_, i) => `input/${i}.jpg`)),
        precision,
      );
      const rate = (IMAGES / all) * 1000;
      // The time for the start and one picture does not grow with the shard.
      const steady = ((IMAGES - 1) / (all - start)) * 1000;
      const limit = limitOf(engines, variant, decodeMs);
      rows.push([
        precision,
        `${rate.toFixed(1)}/s`,
        `${steady.toFixed(1)}/s`,
        `${limit.toFixed(1)}/s`,
        ratio(steady / limit),
        `${(1000 / start).toFixed(2)}/s`,
        ratio(rate / (1000 / start)),
      ]);
    }
    printTable(
      `Batch worker on ${IMAGES} pictures of 500 x 375 in a folder; the limit is cores / CPU time of inference and decoding`,
      ['', 'with its start', 'without', 'limit', 'rate / limit', 'a process per picture', 'times as fast'],
      rows,
    );
    await batch.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
