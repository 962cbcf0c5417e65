import { isAppError } from '../../domain/errors.ts';
import { isPastDeadline, type ResultRow } from '../../domain/job/job.ts';
import { jobLayout, parseChunkNumber, parseMarker } from '../../domain/job/job-layout.ts';
import { chunkCount, parseShard } from '../../domain/job/shards.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { NO_TRACING } from '../../telemetry/tracing.ts';
import { mark } from '../documents.ts';
import { type ChunkCounts, createChunkWorker } from './chunk.ts';
import { finishJob } from './finish.ts';
import { createProgressReport } from './progress-report.ts';
import type { WorkOptions, WorkResult } from './work-options.ts';

/** With two, the next chunk keeps the engine busy while the last images of this one are finished. */
const OPEN_CHUNKS = 2;

/**
 * Works one shard: each input gets its output object, each chunk its rows and its marker. Finished chunks are skipped,
 * so a retry repeats at most the open ones. The last worker of a job then writes its result files.
 *
 * @throws AppError for faults of the system; no chunk is half written
 */
export async function workShard(options: WorkOptions): Promise<WorkResult> {
  const { objects, job, shard, stop, progress, tracing = NO_TRACING } = options;
  const layout = jobLayout(job.jobId);
  const [body, finished, counts] = await Promise.all([
    objects.get(layout.shard(shard)),
    listFinished(objects, layout.shardResults(shard)),
    listMarkers(objects, layout.shardChunkMarkers(shard)),
  ]);
  const inputs = parseShard(body.toString());
  const chunks = chunkCount(inputs.length, job.chunkSize);
  const forceAbort = new AbortController();
  let fault: unknown;
  const onFault = (error: unknown) => {
    fault ??= error;
    forceAbort.abort();
  };
  const rows: Record<string, number> = {};
  const countRow = ({ error }: ResultRow) => {
    const code = error?.code ?? 'OK';
    rows[code] = (rows[code] ?? 0) + 1;
  };
  const { signal } = forceAbort;
  const report = createProgressReport(options);
  const chunkWorker = createChunkWorker({
    ...options,
    inputs,
    signal,
    onFault,
    onRow: countRow,
    onInput: report.countRow,
  });

  async function workChunk(chunk: number): Promise<void> {
    await progress?.chunk(chunk, true);
    const attributes = { 'job.chunk': chunk };
    counts.set(chunk, await tracing.span('chunk', { attributes }, () => chunkWorker.work(chunk)));
    report.closeChunk(chunk);
    await progress?.chunk(chunk, false);
  }

  const open = new Set<Promise<void>>();
  const endGrace = abortAfterGrace(stop, options.graceMs, forceAbort);
  for (let chunk = 0; chunk < chunks; chunk++) {
    if (finished.has(chunk)) {
      if (!counts.has(chunk))
        await chunkWorker.markFinished(chunk).then((count) => counts.set(chunk, count), onFault);
      continue;
    }
    const maxOpen = options.careful?.has(chunk) ? 1 : OPEN_CHUNKS;
    while (open.size >= maxOpen && fault === undefined) await Promise.race(open);
    if (stop.aborted || fault !== undefined || isPastDeadline(job)) break;
    const running: Promise<void> = workChunk(chunk)
      .catch(onFault)
      .finally(() => open.delete(running));
    open.add(running);
    if (maxOpen === 1) await running;
  }
  await Promise.all(open);
  endGrace();
  await report.stop();
  const done = counts.size === chunks;
  // Chunks that were aborted after the grace period are no fault.
  if (fault !== undefined && !done && !(stop.aborted && isAbort(fault))) throw fault;

  const sums = sumOf(counts.values());
  if (done) await mark(objects, layout.shardMarker(shard, sums.succeeded, sums.failed));
  const isLate = !done && !stop.aborted && isPastDeadline(job);
  const isFinished = done && (await finishJob(options));
  return {
    done: isFinished,
    isPastDeadline: isLate,
    total: inputs.length,
    ...sums,
    skippedChunks: finished.size,
    rows,
  };
}

/** Aborts `forceAbort` at `graceMs` after `stop`. @returns a function that clears the timer */
function abortAfterGrace(stop: AbortSignal, graceMs: number, forceAbort: AbortController): () => void {
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    timer = setTimeout(() => forceAbort.abort(), graceMs);
  };
  if (stop.aborted) start();
  else stop.addEventListener('abort', start, { once: true });
  return () => {
    clearTimeout(timer);
    stop.removeEventListener('abort', start);
  };
}

function isAbort(error: unknown): boolean {
  return isAppError(error, 'REQUEST_CANCELLED') || (error instanceof Error && error.name === 'AbortError');
}

/** Numbers of the chunks whose rows are written. */
async function listFinished(objects: ObjectStore, prefix: string): Promise<Set<number>> {
  const found = new Set<number>();
  for await (const { key } of objects.list(prefix)) {
    const chunk = parseChunkNumber(key);
    if (chunk !== undefined) found.add(chunk);
  }
  return found;
}

/** Counts of the chunks that have a marker. */
async function listMarkers(objects: ObjectStore, prefix: string): Promise<Map<number, ChunkCounts>> {
  const found = new Map<number, ChunkCounts>();
  for await (const { key } of objects.list(prefix)) {
    const chunk = parseChunkNumber(key);
    const counts = parseMarker(key);
    if (chunk !== undefined && counts) found.set(chunk, counts);
  }
  return found;
}

function sumOf(counts: Iterable<ChunkCounts>): ChunkCounts {
  const sum = { succeeded: 0, failed: 0 };
  for (const { succeeded, failed } of counts) {
    sum.succeeded += succeeded;
    sum.failed += failed;
  }
  return sum;
}
