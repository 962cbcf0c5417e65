import type { ResultRow } from '../../domain/job/job.ts';
import { jobLayout } from '../../domain/job/job-layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { ChunkCounts } from './chunk.ts';

/** Time between two reports, in milliseconds. A report costs one small write, and none if nothing changed. */
const REPORT_EVERY_MS = 1000;

/** Reports how far the open chunks of a shard are, for the status of the job. */
export interface ProgressReport {
  countRow(chunk: number, row: ResultRow): void;
  /** The chunk has its marker, which counts from now on. */
  closeChunk(chunk: number): void;
  stop(): Promise<void>;
}

/** Overwrites `jobs/<id>/progress/NNNNN.json` once a second. A report that cannot be written is left out. */
export function createProgressReport({
  objects,
  job,
  shard,
}: {
  readonly objects: ObjectStore;
  readonly job: { readonly jobId: string };
  readonly shard: number;
}): ProgressReport {
  const key = jobLayout(job.jobId).progress(shard);
  const open = new Map<number, ChunkCounts>();
  let reported = '{}';
  let writing: Promise<unknown> = Promise.resolve();
  let isWriting = false;
  const write = () => {
    const body = JSON.stringify(Object.fromEntries(open));
    if (isWriting || body === reported) return;
    isWriting = true;
    writing = objects
      .put(key, body, { contentType: 'application/json' })
      .then(() => (reported = body))
      .catch(() => undefined)
      .finally(() => (isWriting = false));
  };
  const timer = setInterval(write, REPORT_EVERY_MS).unref();
  return {
    countRow(chunk, { error }) {
      const { succeeded, failed } = open.get(chunk) ?? { succeeded: 0, failed: 0 };
      open.set(chunk, error ? { succeeded, failed: failed + 1 } : { succeeded: succeeded + 1, failed });
    },
    closeChunk(chunk) {
      open.delete(chunk);
    },
    async stop() {
      clearInterval(timer);
      await writing;
    },
  };
}
