import pLimit from 'p-limit';
import { createByteBudget } from '../../domain/byte-budget.ts';
import { AppError, isAppError } from '../../domain/errors.ts';
import { type Job, jobSchema, type ResultRow, type ShardInput } from '../../domain/job/job.ts';
import { jobLayout, parseChunkNumber, parseMarker } from '../../domain/job/job-layout.ts';
import { chunkCount, chunkRange, parseShard } from '../../domain/job/shards.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { NO_TRACING, type Tracing } from '../../telemetry/tracing.ts';
import { mark, readDocument } from '../documents.ts';
import { classifyItem } from './item.ts';
import type { Answerer } from './item-classifier.ts';

/** Two chunks may be open at once: the next one fills the engine while the last pictures of this one are finished. */
const OPEN_CHUNKS = 2;

export interface WorkOptions {
  readonly objects: ObjectStore;
  readonly classifier: Answerer;
  readonly job: Job;
  /** AWS_BATCH_JOB_ARRAY_INDEX; 0 in a job of one shard. */
  readonly shard: number;
  /** Inputs being read, classified or written at once; two to three full batches keep the engine busy. */
  readonly concurrency: number;
  /** Bytes of images in memory at once. */
  readonly maxBytesInFlight: number;
  readonly maxImageBytes: number;
  /** Aborted to stop at the next edge of a chunk. */
  readonly stop: AbortSignal;
  /** How long the open chunks may take to finish after `stop`, milliseconds; then they are dropped and done again later. */
  readonly graceMs: number;
  /** Told of each chunk; off when absent. */
  readonly tracing?: Tracing;
  /** Chunks in which an earlier process died: their inputs are worked one at a time. */
  readonly careful?: ReadonlySet<number>;
  /** Indexes in the shard of inputs that killed the process which worked them alone: each gets an error row. */
  readonly crashers?: ReadonlySet<number>;
  readonly progress?: WorkProgress;
}

/** What a supervisor has to know to tell which input killed the process. Work goes on when the promises are resolved. */
export interface WorkProgress {
  chunk(chunk: number, open: boolean): Promise<void>;
  /** `input` is the index in the shard of the only input in work; undefined once it is done. */
  alone(input: number | undefined): Promise<void>;
  /** An input is done. */
  done(): void;
}

export interface WorkResult {
  /** False when it was stopped before its end: what is missing is left to the next attempt. */
  readonly done: boolean;
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Chunks that an earlier attempt had finished. */
  readonly skippedChunks: number;
  /** Rows that this attempt made, by `OK` or by the code of their error. */
  readonly rows: Readonly<Record<string, number>>;
}

/** @throws AppError JOB_NOT_FOUND */
export async function readJob(objects: ObjectStore, jobId: string): Promise<Job> {
  const job = await readDocument(objects, jobLayout(jobId).job, jobSchema);
  if (!job) throw new AppError('JOB_NOT_FOUND', `there is no job ${jobId}`);
  return job;
}

/**
 * Works one shard: each input gets its output object, each chunk its rows, in the order of the shard. Chunks that are
 * there are skipped, so a retry repeats at most the chunks that were open.
 *
 * @throws AppError for faults of the system; nothing half-written stays behind
 */
export async function workShard(options: WorkOptions): Promise<WorkResult> {
  const { objects, job, shard } = options;
  const layout = jobLayout(job.jobId);
  const inputs = parseShard((await objects.get(layout.shard(shard))).toString());
  const finished = await numbers(objects, layout.shardResults(shard), parseChunkNumber);
  const counts = await markedChunks(objects, layout.shardChunkMarkers(shard));
  const open = new Set<Promise<void>>();
  const hard = new AbortController();
  let fault: unknown;
  const fail = (error: unknown) => {
    fault ??= error;
    hard.abort();
  };
  const rows: Record<string, number> = {};
  const made = ({ error }: ResultRow) => {
    const code = error?.code ?? 'OK';
    rows[code] = (rows[code] ?? 0) + 1;
  };
  const tracing = options.tracing ?? NO_TRACING;
  const workChunk = chunkRunner(options, inputs, hard.signal, fail, made);
  const runChunk = async (chunk: number) => {
    await options.progress?.chunk(chunk, true);
    await tracing.span('chunk', { attributes: { 'job.chunk': chunk } }, () => workChunk(chunk));
  };
  const endGrace = graceAfter(options.stop, options.graceMs, hard);
  const chunks = chunkCount(inputs.length, job.chunkSize);
  const finish = async (chunk: number) => {
    counts.set(chunk, await countChunk(objects, job, shard, chunk));
    await options.progress?.chunk(chunk, false);
  };
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (finished.has(chunk)) {
      // A crash between a chunk and its marker: the marker is made good.
      if (!counts.has(chunk)) await finish(chunk);
      continue;
    }
    const openChunks = options.careful?.has(chunk) ? 1 : OPEN_CHUNKS;
    while (open.size >= openChunks && fault === undefined) await Promise.race(open);
    if (options.stop.aborted || fault !== undefined) break;
    const running: Promise<void> = runChunk(chunk)
      .then(() => finish(chunk))
      .catch(fail)
      .finally(() => open.delete(running));
    open.add(running);
    if (openChunks === 1) await running;
  }
  await Promise.all(open);
  endGrace();
  const done = counts.size === chunks;
  // Dropped after the grace period: stopped, not failed.
  if (fault !== undefined && !done && !(options.stop.aborted && isStop(fault))) throw fault;

  const sums = [...counts.values()].reduce(
    (sum, count) => ({ succeeded: sum.succeeded + count.succeeded, failed: sum.failed + count.failed }),
    { succeeded: 0, failed: 0 },
  );
  const result = { total: inputs.length, ...sums };
  if (done) await mark(objects, layout.shardMarker(shard, sums.succeeded, sums.failed));
  return { done, ...result, skippedChunks: finished.size, rows };
}

/** Classifies the inputs of one chunk and writes its rows, create-only: of two workers on one chunk the first counts. */
function chunkRunner(
  options: WorkOptions,
  inputs: readonly ShardInput[],
  signal: AbortSignal,
  fail: (error: unknown) => void,
  made: (row: ResultRow) => void,
) {
  const { objects, job, shard, classifier, maxImageBytes, progress } = options;
  const layout = jobLayout(job.jobId);
  const limit = pLimit(options.concurrency);
  const budget = createByteBudget(options.maxBytesInFlight);
  const context = { objects, classifier, topK: job.topK, maxImageBytes, signal };
  return async (chunk: number): Promise<void> => {
    const { from, to } = chunkRange(chunk, job.chunkSize, inputs.length);
    const isCareful = options.careful?.has(chunk) ?? false;
    const work = async (input: ShardInput, index: number): Promise<ResultRow> => {
      signal.throwIfAborted();
      const isCrasher = options.crashers?.has(index) ?? false;
      const isAlone = isCareful && !isCrasher;
      const release = await budget.acquire(Math.min(input.size ?? maxImageBytes, maxImageBytes));
      try {
        if (isAlone) await progress?.alone(index);
        const row = await classifyItem(input, { ...context, isCrasher });
        if (isAlone) await progress?.alone(undefined);
        if (!isCrasher) progress?.done();
        return row;
      } catch (error) {
        fail(error);
        throw error;
      } finally {
        release();
      }
    };
    const inTurn = isCareful ? pLimit(1) : limit;
    // Settled, not merely rejected: nothing is at work any more when the worker says how it ended.
    const settled = await Promise.allSettled(
      inputs.slice(from, to).map((input, i) => inTurn(() => work(input, from + i))),
    );
    const rows = settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
    const body = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    try {
      await objects.put(layout.chunk(shard, chunk), body, {
        ifAbsent: true,
        contentType: 'application/x-ndjson',
      });
    } catch (error) {
      if (!isAppError(error, 'CONFLICT')) throw error;
    }
    rows.forEach(made);
  };
}

/** Counts what is stored, which may be another worker's, and marks it. */
async function countChunk(objects: ObjectStore, job: Job, shard: number, chunk: number) {
  const layout = jobLayout(job.jobId);
  const text = (await objects.get(layout.chunk(shard, chunk))).toString();
  let succeeded = 0;
  let failed = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if ((JSON.parse(line) as ResultRow).error) failed += 1;
    else succeeded += 1;
  }
  await mark(objects, layout.chunkMarker(shard, chunk, succeeded, failed));
  return { succeeded, failed };
}

/** Aborts `hard` when `stop` was asked for `graceMs` ago. @returns what calls it off */
function graceAfter(stop: AbortSignal, graceMs: number, hard: AbortController): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    timer = setTimeout(() => hard.abort(), graceMs);
  };
  if (stop.aborted) start();
  else stop.addEventListener('abort', start, { once: true });
  return () => {
    clearTimeout(timer);
    stop.removeEventListener('abort', start);
  };
}

function isStop(error: unknown): boolean {
  return isAppError(error, 'REQUEST_CANCELLED') || (error instanceof Error && error.name === 'AbortError');
}

async function numbers(
  objects: ObjectStore,
  prefix: string,
  parse: (key: string) => number | undefined,
): Promise<Set<number>> {
  const found = new Set<number>();
  for await (const { key } of objects.list(prefix)) {
    const number = parse(key);
    if (number !== undefined) found.add(number);
  }
  return found;
}

async function markedChunks(objects: ObjectStore, prefix: string) {
  const found = new Map<number, { succeeded: number; failed: number }>();
  for await (const { key } of objects.list(prefix)) {
    const chunk = parseChunkNumber(key);
    const counts = parseMarker(key);
    if (chunk !== undefined && counts) found.set(chunk, counts);
  }
  return found;
}
