import { AppError } from '../errors.ts';

/** Prefix of all objects of jobs; service/src/batch/README.md lists them. */
export const JOBS_PREFIX = 'jobs/';
/** One empty object per job, newest first in a listing. No job id starts with a dot, so none collides with it. */
export const INDEX_PREFIX = 'jobs/.index/';

const five = (n: number) => String(n).padStart(5, '0');
const four = (n: number) => String(n).padStart(4, '0');

/** The id of a chunk in the name of its rows and of its marker. */
export const chunkId = (shard: number, chunk: number) => `${five(shard)}-${four(chunk)}`;

/** The keys of one job. Shards are numbered with five digits (at most 10,000), chunks of a shard with four or more. */
export function jobLayout(jobId: string) {
  const root = `${JOBS_PREFIX}${jobId}/`;
  return {
    root,
    job: `${root}job.json`,
    planning: `${root}planning.json`,
    plan: `${root}plan.json`,
    submitted: `${root}submitted.json`,
    cancelled: `${root}cancelled.json`,
    summary: `${root}summary.json`,
    /** Folder of the files of one request; `request` is 16 hexadecimal digits. */
    upload: (request: string) => `${root}uploads/${request}/`,
    results: `${root}results/`,
    progressReports: `${root}progress/`,
    progress: (shard: number) => `${root}progress/${five(shard)}.json`,
    /** The rows of an ended job with `results: rows`. Athena reads a whole folder, so Parquet has one of its own. */
    resultFiles: {
      jsonl: `${root}results.jsonl.gz`,
      csv: `${root}results.csv`,
      parquet: `${root}parquet/results.parquet`,
    },
    report: `${root}report.html`,
    shardMarkers: `${root}done/`,
    chunkMarkers: `${root}chunks/`,
    shard: (shard: number) => `${root}shards/${five(shard)}.jsonl`,
    shardResults: (shard: number) => `${root}results/${five(shard)}-`,
    chunk: (shard: number, chunk: number) => `${root}results/${chunkId(shard, chunk)}.jsonl`,
    shardChunkMarkers: (shard: number) => `${root}chunks/${five(shard)}-`,
    /** Empty objects whose names hold the counts: a listing gives the progress, a thousand markers per request. */
    chunkMarker: (shard: number, chunk: number, succeeded: number, failed: number) =>
      `${root}chunks/${chunkId(shard, chunk)}.${succeeded}.${failed}`,
    shardMarker: (shard: number, succeeded: number, failed: number) =>
      `${root}done/${five(shard)}.${succeeded}.${failed}`,
  } as const;
}

/** The shard of `jobs/<id>/progress/00007.json`. */
export function parseProgressShard(key: string): number | undefined {
  const match = /\/progress\/([0-9]{5})\.json$/.exec(key);
  return match ? Number(match[1]) : undefined;
}

/** The counts in a marker's name. */
export function parseMarker(key: string): { id: string; succeeded: number; failed: number } | undefined {
  const match = /([0-9]{5}(?:-[0-9]{4,})?)\.(\d+)\.(\d+)$/.exec(key);
  if (!match) return undefined;
  return { id: match[1] ?? '', succeeded: Number(match[2]), failed: Number(match[3]) };
}

export const RESULT_FORMATS = ['jsonl', 'csv', 'parquet'] as const;
export type ResultFormat = (typeof RESULT_FORMATS)[number];

/** The chunk's number in `jobs/<id>/results/00000-0003.jsonl` or in a chunk marker's name. */
export function parseChunkNumber(key: string): number | undefined {
  const match = /[0-9]{5}-([0-9]{4,})\.(?:jsonl|\d+\.\d+)$/.exec(key);
  return match ? Number(match[1]) : undefined;
}

/** The time in ms, 13 digits (until the year 2286), counts backwards, so that a listing has newer jobs first. */
export function indexKey(jobId: string, createdAt: string): string {
  const backwards = 9_999_999_999_999 - Date.parse(createdAt);
  return `${INDEX_PREFIX}${String(backwards).padStart(13, '0')}-${jobId}`;
}

/** Creation time of the job of an index key, in ms since 1970. */
export function timeOfIndexKey(key: string): number | undefined {
  const digits = /^jobs\/\.index\/(\d{13})-/.exec(key)?.[1];
  return digits === undefined ? undefined : 9_999_999_999_999 - Number(digits);
}

/** The job id in an index key. */
export function jobIdOfIndexKey(key: string): string | undefined {
  return /^jobs\/\.index\/\d{13}-([A-Za-z0-9_-]{1,128})$/.exec(key)?.[1];
}

/**
 * Splits a worker's JOB_URI into the store and the job: `s3://bucket/jobs/<id>/job.json`.
 *
 * @throws AppError INVALID_CONFIGURATION
 */
export function parseJobUri(uri: string): { storeUri: string; jobId: string } {
  const match = /^(.+)\/jobs\/([A-Za-z0-9_-]{1,128})\/job\.json$/.exec(uri);
  if (!match?.[1] || !match[2]) {
    throw new AppError(
      'INVALID_CONFIGURATION',
      `JOB_URI=${JSON.stringify(uri)} is not the address of a job (<store>/jobs/<jobId>/job.json)`,
    );
  }
  return { storeUri: match[1], jobId: match[2] };
}
