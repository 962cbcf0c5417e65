import { isAppError } from '../../domain/errors.ts';
import type { Job } from '../../domain/job/job.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { readChunks } from '../results/chunks.ts';
import { type JobFacts, renderReport } from './page.ts';
import { type RowSummary, summarizeRows, type UncertainRow } from './summarize.ts';

export interface ReportOptions {
  readonly objects: ObjectStore;
  /** Makes a WebP of a few KB. Throws AppError UNREADABLE_IMAGE and IMAGE_TOO_LARGE. Without it, there are no pictures. */
  readonly thumbnail?: ((image: Uint8Array) => Promise<Buffer>) | undefined;
  /** Larger pictures are left out. */
  readonly maxImageBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each chunk and each picture. */
  readonly onProgress?: (() => void) | undefined;
}

/** The pictures that a report leaves out. */
const NO_PICTURE = [
  // It was removed or replaced since, or is a member of an archive.
  'OBJECT_NOT_FOUND',
  'OBJECT_CHANGED',
  'INVALID_REQUEST',
  'IMAGE_TOO_LARGE',
  'UNREADABLE_IMAGE',
] as const;

/** The report of a job, by one pass over its rows in constant memory. @throws AppError STORE_UNAVAILABLE */
export async function makeReport(job: Job, facts: JobFacts, options: ReportOptions): Promise<string> {
  const { objects, signal, onProgress } = options;
  const rows = await summarizeRows(readChunks(objects, job.jobId, { signal, onProgress }));
  const pictures = await readPictures(rows, options);
  return renderReport(job, facts, rows, (row) => pictures.get(row));
}

/** One at a time, because each is a whole image in memory. */
async function readPictures({ uncertain, isTable }: RowSummary, options: ReportOptions) {
  const { objects, thumbnail, maxImageBytes: maxBytes, signal, onProgress } = options;
  const pictures = new Map<UncertainRow, string>();
  if (!thumbnail || isTable) return pictures;
  for (const row of uncertain) {
    try {
      const image = await objects.get(row.key, {
        ...(row.etag === undefined ? {} : { etag: row.etag }),
        ...(maxBytes === undefined ? {} : { maxBytes }),
        ...(signal ? { signal } : {}),
      });
      const small = await thumbnail(image);
      pictures.set(row, `data:image/webp;base64,${small.toString('base64')}`);
    } catch (error) {
      if (!isAppError(error, ...NO_PICTURE)) throw error;
    }
    onProgress?.();
  }
  return pictures;
}
