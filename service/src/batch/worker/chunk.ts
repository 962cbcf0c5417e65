import pLimit from 'p-limit';
import { createByteBudget } from '../../domain/byte-budget.ts';
import type { ResultRow, ShardInput } from '../../domain/job/job.ts';
import { jobLayout } from '../../domain/job/job-layout.ts';
import { chunkRange } from '../../domain/job/shards.ts';
import { createObject, mark } from '../documents.ts';
import { classifyItem } from './item.ts';
import type { WorkOptions } from './work-options.ts';

/** Counts of rows. */
export interface ChunkCounts {
  readonly succeeded: number;
  readonly failed: number;
}

export interface ChunkWorkerOptions extends WorkOptions {
  readonly inputs: readonly ShardInput[];
  readonly signal: AbortSignal;
  /** Called with the first fault of the system, while other inputs are still in work. */
  readonly onFault: (error: unknown) => void;
  readonly onRow: (row: ResultRow) => void;
  /** Called with each row of a chunk as soon as it is there. */
  readonly onInput: (chunk: number, row: ResultRow) => void;
}

/** Works the chunks of a shard, all within one limit of concurrent inputs and bytes. */
export interface ChunkWorker {
  /** Classifies the inputs of a chunk, writes its rows in the order of the shard, and then its marker. */
  work(chunk: number): Promise<ChunkCounts>;
  /** Writes the missing marker of a finished chunk: an attempt ended between the two. */
  markFinished(chunk: number): Promise<ChunkCounts>;
}

export function createChunkWorker(options: ChunkWorkerOptions): ChunkWorker {
  const { objects, job, shard, inputs, classifier, maxImageBytes, progress, signal } = options;
  const layout = jobLayout(job.jobId);
  const concurrent = pLimit(options.concurrency);
  const budget = createByteBudget(options.maxBytesInFlight);
  const context = {
    objects,
    classifier,
    topK: job.topK,
    results: job.results ?? 'objects',
    maxImageBytes,
    signal,
  };

  async function workInput(input: ShardInput, index: number, isCareful: boolean): Promise<ResultRow> {
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
      options.onFault(error);
      throw error;
    } finally {
      release();
    }
  }

  async function classifyInputs(chunk: number): Promise<ResultRow[]> {
    const { from, to } = chunkRange(chunk, job.chunkSize, inputs.length);
    const isCareful = options.careful?.has(chunk) ?? false;
    const limit = isCareful ? pLimit(1) : concurrent;
    // After a fault, wait for the other inputs: nothing may be in work when the worker exits.
    const settled = await Promise.allSettled(
      inputs.slice(from, to).map((input, i) =>
        limit(async () => {
          const row = await workInput(input, from + i, isCareful);
          options.onInput(chunk, row);
          return row;
        }),
      ),
    );
    return settled.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  async function writeMarker(chunk: number, counts: ChunkCounts): Promise<ChunkCounts> {
    await mark(objects, layout.chunkMarker(shard, chunk, counts.succeeded, counts.failed));
    return counts;
  }

  async function markFinished(chunk: number): Promise<ChunkCounts> {
    const lines = (await objects.get(layout.chunk(shard, chunk))).toString().split('\n').filter(Boolean);
    return writeMarker(chunk, countRows(lines.map((line) => JSON.parse(line) as ResultRow)));
  }

  return {
    async work(chunk) {
      const rows = await classifyInputs(chunk);
      const body = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
      const isCreated = await createObject(objects, layout.chunk(shard, chunk), body, 'application/x-ndjson');
      rows.forEach(options.onRow);
      // Of two workers on one chunk the first one's rows count.
      return isCreated ? writeMarker(chunk, countRows(rows)) : markFinished(chunk);
    },
    markFinished,
  };
}

function countRows(rows: readonly ResultRow[]): ChunkCounts {
  const failed = rows.filter(({ error }) => error).length;
  return { succeeded: rows.length - failed, failed };
}
