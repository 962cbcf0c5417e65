import { pipeline, type Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Job } from '../../domain/job/job.ts';
import { jobLayout, type ResultFormat } from '../../domain/job/job-layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { createObject, exists } from '../documents.ts';
import { readChunks } from './chunks.ts';
import { encodeResults, RESULT_TYPES } from './encode.ts';

/** JSON Lines last: a job with `results: rows` has ended once that file exists. */
const FORMATS = ['csv', 'parquet', 'jsonl'] as const satisfies readonly ResultFormat[];
/** About 20,000 images with five classes; nothing else waits for this process. */
const GROUP_CLASSES = 100_000;

export interface WriteFilesOptions {
  readonly objects: ObjectStore;
  readonly job: Pick<Job, 'jobId' | 'topK'>;
  readonly signal: AbortSignal;
  /** Called after each chunk. */
  readonly onProgress?: (() => void) | undefined;
}

/**
 * Writes the result files of a job whose rows are complete, in constant memory. Each file is created once; a second
 * writer has the same bytes.
 *
 * @throws AppError STORE_UNAVAILABLE; no file is incomplete
 */
export async function writeResultFiles(options: WriteFilesOptions): Promise<void> {
  const { objects, job, signal, onProgress } = options;
  const { jobId, topK } = job;
  for (const format of FORMATS) {
    const key = jobLayout(jobId).resultFiles[format];
    if (await exists(objects, key)) continue;
    const rows = encodeResults(readChunks(objects, jobId, { signal, onProgress }), format, {
      topK,
      groupClasses: GROUP_CLASSES,
    });
    await createFile(objects, key, format === 'jsonl' ? compress(rows) : rows, format);
  }
}

/** The header holds no time and no name. */
const compress = (rows: Readable): Readable => pipeline(rows, createGzip(), () => undefined);

async function createFile(objects: ObjectStore, key: string, body: Readable, format: ResultFormat) {
  const contentType = format === 'jsonl' ? 'application/gzip' : RESULT_TYPES[format];
  try {
    await createObject(objects, key, body, contentType);
  } finally {
    body.destroy();
  }
}
