import pLimit from 'p-limit';
import { type JobCounts, openChunksSchema } from '../domain/job/job.ts';
import { chunkId, jobLayout, parseProgressShard } from '../domain/job/job-layout.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readDocument } from './documents.ts';

/** An older report is that of a worker that has ended. Milliseconds, with room for clocks that differ. */
const FRESH_MS = 60_000;
/** With more workers at once, the chunks that they finish are progress enough. */
const MAX_REPORTS = 64;
const READ_AT_ONCE = 16;

type Counts = Pick<JobCounts, 'succeeded' | 'failed'>;

/**
 * The counts of chunks in work, by chunk id, from the reports of their workers. Read it before the markers: a chunk that
 * is in both has finished in between, and its marker counts.
 */
export async function readOpenChunks(
  objects: ObjectStore,
  jobId: string,
  now = Date.now(),
): Promise<Map<string, Counts>> {
  const shards: number[] = [];
  for await (const { key, lastModified } of objects.list(jobLayout(jobId).progressReports)) {
    const shard = parseProgressShard(key);
    if (shard !== undefined && now - lastModified.getTime() < FRESH_MS) shards.push(shard);
    if (shards.length > MAX_REPORTS) return new Map();
  }
  const reports = await pLimit(READ_AT_ONCE).map(shards, (shard) =>
    readDocument(objects, jobLayout(jobId).progress(shard), openChunksSchema),
  );
  return new Map(
    reports.flatMap((report, i) =>
      Object.entries(report ?? {}).map(([chunk, counts]): [string, Counts] => [
        chunkId(shards[i] ?? 0, Number(chunk)),
        counts,
      ]),
    ),
  );
}
