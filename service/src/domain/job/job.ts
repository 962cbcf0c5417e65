import { type Static, Type } from 'typebox';
import type { ErrorCode } from '../errors.ts';
import { PRECISIONS } from '../precision.ts';
import type { Prediction } from '../prediction.ts';
import type { RowError, RowPrediction } from '../tabular.ts';

/** AWS Batch's limit for the children of an array job. */
export const MAX_SHARDS = 10_000;
/** Maximum keys that a request may list; for more, it names a prefix. */
export const MAX_OBJECTS = 10_000;

/** Faults of an input: each becomes an error row. Every other failure ends the worker and is retried. */
export const ITEM_FAULTS = [
  'UNREADABLE_IMAGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'IMAGE_TOO_LARGE',
  'INVALID_REQUEST',
  'OBJECT_NOT_FOUND',
  'OBJECT_CHANGED',
  'WORKER_CRASHED',
] as const satisfies readonly ErrorCode[];

/** Where results go: one object per input, or rows only. */
export const RESULT_KINDS = ['objects', 'rows'] as const;
export type ResultKind = (typeof RESULT_KINDS)[number];

const jobId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' });

/** Where a job's inputs come from. */
const jobSourceSchema = Type.Union([
  Type.Object({
    kind: Type.Literal('prefix'),
    prefix: Type.String(),
    /** SHA-256 of the names and content of a form's files: identifies a repeated request. */
    digest: Type.Optional(Type.String()),
  }),
  Type.Object({
    kind: Type.Literal('objects'),
    /** Sorted by key, each key once. `etag` and `size` are present if the event had them. */
    objects: Type.Array(
      Type.Object({
        key: Type.String(),
        etag: Type.Optional(Type.String()),
        size: Type.Optional(Type.Integer()),
      }),
      { maxItems: MAX_OBJECTS },
    ),
  }),
]);
export type JobSource = Static<typeof jobSourceSchema>;

/** `jobs/<id>/job.json`: the request. Written first, never changed. */
export const jobSchema = Type.Object({
  format: Type.Literal(1),
  jobId,
  /** ISO 8601. */
  createdAt: Type.String(),
  /** An HTTP request, an S3 event or a local drop. */
  origin: Type.Union([Type.Literal('request'), Type.Literal('event'), Type.Literal('drop')]),
  model: Type.String(),
  topK: Type.Integer({ minimum: 1, maximum: 100 }),
  /** Used by every worker. Absent in jobs of earlier versions, and for models that the creating process does not know. */
  precision: Type.Optional(Type.Enum(PRECISIONS)),
  source: jobSourceSchema,
  /** `rows`: no output per input; the last worker writes all rows to one file. Absent: `objects`. */
  results: Type.Optional(Type.Enum(RESULT_KINDS)),
  /** ISO 8601, UTC. From then on, workers open no further chunk; all parts of a request share it. */
  deadline: Type.Optional(Type.String()),
  /** The last key of the previous part; set in the second and later parts of a job that exceeds one array. */
  startAfter: Type.Optional(Type.String()),
  /** Inputs in all previous parts. */
  inputsBefore: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Maximum inputs of a shard (the work of one child) and of a chunk (the unit of retry). */
  shardSize: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  chunkSize: Type.Integer({ minimum: 1, maximum: 10_000 }),
});
export type Job = Static<typeof jobSchema>;

/** `jobs/<id>/planning.json`: checkpoint of planning. Shards never change, so an older checkpoint is valid, too. */
export const planningSchema = Type.Object({
  shards: Type.Integer({ minimum: 1 }),
  /** Inputs in these shards. */
  total: Type.Integer({ minimum: 1 }),
  /** The last key in these shards. */
  end: Type.String(),
});

/** `jobs/<id>/plan.json`: number of shards. Written once, after the last shard; only then may the job run. */
export const shardPlanSchema = Type.Object({
  shards: Type.Integer({ minimum: 1, maximum: MAX_SHARDS }),
  total: Type.Integer({ minimum: 1 }),
  /** The job of the inputs after the last shard. */
  next: Type.Optional(jobId),
});
export type ShardPlan = Static<typeof shardPlanSchema>;

/** One line of `jobs/<id>/shards/NNNNN.jsonl`. Without an etag, the object did not exist when the job was planned. */
const shardInputSchema = Type.Object({
  key: Type.String(),
  etag: Type.Optional(Type.String()),
  /** Bytes. */
  size: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type ShardInput = Static<typeof shardInputSchema>;

/** `jobs/<id>/submitted.json`: the queue's reference to the job. */
export const submittedSchema = Type.Object({ reference: Type.String(), submittedAt: Type.String() });

/** `jobs/<id>/cancelled.json`. */
export const cancelledSchema = Type.Object({ reason: Type.String(), cancelledAt: Type.String() });

/** One line of a chunk and the content of one output; the same bytes whenever the input is classified. */
export interface ResultRow {
  readonly key: string;
  /** The version that was classified; absent if the object did not exist. */
  readonly etag?: string;
  readonly model?: string;
  readonly version?: string;
  /** The likeliest classes of an image, or one prediction or error per row of a file, in the order of its rows. */
  readonly predictions?: readonly (Prediction | RowPrediction | RowError)[];
  readonly error?: { readonly code: string; readonly message: string };
}

export const JOB_STATES = ['SUBMITTED', 'RUNNING', 'SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Counts of inputs. */
export interface JobCounts {
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly pending: number;
}

/** `jobs/<id>/progress/NNNNN.json`: rows in the open chunks of a shard, by the number of the chunk. */
export const openChunksSchema = Type.Record(
  Type.String({ pattern: '^[0-9]+$' }),
  Type.Object({ succeeded: Type.Integer({ minimum: 0 }), failed: Type.Integer({ minimum: 0 }) }),
);

/** `jobs/<id>/summary.json`: the final status of a job, so that its markers need not be counted again. */
export const summarySchema = Type.Object({
  state: Type.Union([
    Type.Literal('SUCCEEDED'),
    Type.Literal('PARTIAL'),
    Type.Literal('FAILED'),
    Type.Literal('CANCELLED'),
  ]),
  counts: Type.Object({
    total: Type.Integer(),
    succeeded: Type.Integer(),
    failed: Type.Integer(),
    pending: Type.Integer(),
  }),
  reason: Type.Optional(Type.String()),
  finishedAt: Type.String(),
});
export type Summary = Static<typeof summarySchema>;

/** @param now in ms since 1970 */
export function isPastDeadline(
  { deadline }: { readonly deadline?: string | undefined },
  now = Date.now(),
): boolean {
  return deadline !== undefined && now >= Date.parse(deadline);
}

/** Whether the pending inputs of an ended job can run again: with another start of the same job. */
export function canRunAgain(status: JobState, counts: JobCounts): boolean {
  return status === 'FAILED' && counts.pending > 0;
}

/** The state of a job with a row for every input. */
export function finalState(counts: JobCounts): 'SUCCEEDED' | 'PARTIAL' | 'FAILED' {
  if (counts.failed === 0) return 'SUCCEEDED';
  return counts.succeeded === 0 ? 'FAILED' : 'PARTIAL';
}
