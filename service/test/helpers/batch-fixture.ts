import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { type Batch, type BatchOptions, createBatch } from '../../src/batch/batch.ts';
import type { JobStatus } from '../../src/batch/status.ts';
import type { Job, ResultRow } from '../../src/domain/job/job.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import { createLocalQueue, type LocalQueueOptions } from '../../src/jobs/local.ts';
import type { WorkerCommand } from '../../src/jobs/worker-process.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { until } from './until.ts';

/** The compiled worker entrypoint. */
export const WORKER = fileURLToPath(new URL('../../src/entrypoints/worker.js', import.meta.url));

/** Runs the worker with this process's environment and `env`. */
export function workerCommand(env: Readonly<Record<string, string>>): WorkerCommand {
  return {
    program: process.execPath,
    args: ['--no-warnings', WORKER],
    environment: (extra) => ({ ...process.env, LOG_LEVEL: 'error', ...env, ...extra }),
    output: 'ignore',
  };
}

/** A folder store in a temporary folder. */
export async function tempStore(): Promise<
  ObjectStore & { readonly folder: string; close(): Promise<void> }
> {
  const folder = await mkdtemp(join(tmpdir(), 'batch-'));
  const objects = await createFileStore(folder);
  return Object.assign(objects, { folder, close: () => rm(folder, { recursive: true, force: true }) });
}

/** A local queue of worker processes. */
export function tempQueue(
  env: Readonly<Record<string, string>>,
  options: Partial<LocalQueueOptions> = {},
): JobQueue {
  return createLocalQueue({ command: workerCommand(env), concurrency: 1, backoffMs: 10, ...options });
}

/** The batch service with small shards and chunks. Background errors fail the test. */
export function tempBatch(objects: ObjectStore, queue: JobQueue, options: Partial<BatchOptions> = {}): Batch {
  return createBatch({
    objects,
    queue,
    shardSize: 100,
    chunkSize: 8,
    startWithinMs: 30_000,
    maxImageBytes: 1024 * 1024,
    onError: (error) => {
      throw error;
    },
    ...options,
  });
}

/** A queue that accepts jobs and never runs them, for tests of what happens before. */
export function idleQueue(): JobQueue & {
  readonly submissions: { jobId: string; shards: number; jobUri: string }[];
} {
  const submissions: { jobId: string; shards: number; jobUri: string }[] = [];
  return {
    submissions,
    async submit(job) {
      if (!submissions.some(({ jobId }) => jobId === job.jobId)) submissions.push(job);
      return { reference: job.jobId };
    },
    async status(reference) {
      const job = submissions.find(({ jobId }) => jobId === reference);
      return (
        job && { state: 'SUBMITTED', shards: { pending: job.shards, running: 0, succeeded: 0, failed: 0 } }
      );
    },
    cancel: async () => {},
    close: async () => {},
  };
}

/** A job over all inputs, with small shards and chunks. */
export const jobOf = (jobId: string, overrides: Partial<Job> = {}): Job => ({
  format: 1,
  jobId,
  createdAt: new Date().toISOString(),
  origin: 'request',
  model: 'tiny',
  topK: 5,
  source: { kind: 'prefix', prefix: 'input/' },
  shardSize: 10,
  chunkSize: 4,
  ...overrides,
});

/** A worker process, started without a queue. */
export function startWorker(env: Readonly<Record<string, string | undefined>>, entry = WORKER) {
  const child = spawn(process.execPath, ['--no-warnings', entry], {
    env: { ...process.env, LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (part) => {
    stderr += part;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, stderr })),
  );
  return { child, ended };
}

/** A small picture; each number gives another one. */
export function picture(n: number): Promise<Buffer> {
  const background = { r: (n * 37) % 256, g: (n * 91) % 256, b: (n * 151) % 256 };
  return sharp({ create: { width: 12 + (n % 9), height: 12 + (n % 7), channels: 3, background } })
    .png()
    .toBuffer();
}

/** Waits until a job has ended. */
export async function untilFinished(batch: Batch, jobId: string): Promise<JobStatus> {
  return until(`the end of job ${jobId}`, async () => {
    const status = await batch.status(jobId);
    return status.finishedAt !== undefined && status;
  });
}

export async function rowsOf(batch: Batch, jobId: string): Promise<ResultRow[]> {
  const text: Buffer[] = [];
  for await (const part of batch.results(jobId)) text.push(part);
  return Buffer.concat(text)
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ResultRow);
}

/** The objects under a prefix, as text by key. */
export async function contentOf(objects: ObjectStore, prefix: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key } of objects.list(prefix)) found.set(key, (await objects.get(key)).toString());
  return found;
}
