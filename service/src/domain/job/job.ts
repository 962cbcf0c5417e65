import { type Static, Type } from 'typebox';
import type { ErrorCode } from '../errors.ts';
import { PRECISIONS } from '../precision.ts';
import type { Prediction } from '../prediction.ts';
import type { RowError, RowPrediction } from '../tabular.ts';

/** Most children of an AWS Batch array job. */
export const MAX_SHARDS = 10_000;
/** Most keys a request may list; beyond it, a prefix says the same in one line. */
export const MAX_OBJECTS = 10_000;

/** The input's own faults: each becomes a row. Every other failure is the system's, ends the worker and is retried. */
export const ITEM_FAULTS = [
  'UNREADABLE_IMAGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'IMAGE_TOO_LARGE',
  'INVALID_REQUEST',
  'OBJECT_NOT_FOUND',
  'OBJECT_CHANGED',
  'WORKER_CRASHED',
] as const satisfies readonly ErrorCode[];

const jobId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' });

/** Where a job's inputs come from. */
const jobSourceSchema = Type.Union([
  Type.Object({
    kind: Type.Literal('prefix'),
    prefix: Type.String(),
    /** SHA-256 of the files of a form, names included: what a request that is sent again is compared by. */
    digest: Type.Optional(Type.String()),
  }),
  Type.Object({
    kind: Type.Literal('objects'),
    /** Sorted by key, each key once. `etag` and `size` where the event told them. */
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

/** `jobs/<id>/job.json`: what was asked. Written first, never changed. */
export const jobSchema = Type.Object({
  format: Type.Literal(1),
  jobId,
  /** ISO 8601. */
  createdAt: Type.String(),
  /** Who asked: an HTTP request, an event, the drop folder. */
  origin: Type.Union([Type.Literal('request'), Type.Literal('event'), Type.Literal('drop')]),
  model: Type.String(),
  topK: Type.Integer({ minimum: 1, maximum: 100 }),
  /** Every worker computes in it. Absent in jobs of earlier versions, and for models that are not known here. */
  precision: Type.Optional(Type.Enum(PRECISIONS)),
  source: jobSourceSchema,
  /** Continue behind this key: set in the second and later parts of a job with more inputs than one array holds. */
  startAfter: Type.Optional(Type.String()),
  /** Inputs in the parts before this one. */
  inputsBefore: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Most inputs in a shard (one child's work) and in a chunk (what a retry repeats at most). */
  shardSize: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  chunkSize: Type.Integer({ minimum: 1, maximum: 10_000 }),
});
export type Job = Static<typeof jobSchema>;

/** `jobs/<id>/planning.json`: how far planning has come. Shards never change, so an older one is true as well. */
export const planningSchema = Type.Object({
  shards: Type.Integer({ minimum: 1 }),
  /** Inputs in them. */
  total: Type.Integer({ minimum: 1 }),
  /** The last key in them. */
  end: Type.String(),
});

/** `jobs/<id>/plan.json`: how many shards there are. Written once, after the last shard: from then on the job may run. */
export const shardPlanSchema = Type.Object({
  shards: Type.Integer({ minimum: 1, maximum: MAX_SHARDS }),
  total: Type.Integer({ minimum: 1 }),
  /** The job that holds the inputs beyond the last shard. */
  next: Type.Optional(jobId),
});
export type ShardPlan = Static<typeof shardPlanSchema>;

/** One line of `jobs/<id>/shards/NNNNN.jsonl`. Without an etag the object was not there when the job was planned. */
const shardInputSchema = Type.Object({
  key: Type.String(),
  etag: Type.Optional(Type.String()),
  /** Bytes. */
  size: Type.Optional(Type.Integer({ minimum: 0 })),
});
export type ShardInput = Static<typeof shardInputSchema>;

/** `jobs/<id>/submitted.json`: the queue's name for the job. */
export const submittedSchema = Type.Object({ reference: Type.String(), submittedAt: Type.String() });

/** `jobs/<id>/cancelled.json`. */
export const cancelledSchema = Type.Object({ reason: Type.String(), cancelledAt: Type.String() });

/** One line of a chunk, and the content of one output: the same bytes however often the input is classified. */
export interface ResultRow {
  readonly key: string;
  /** The version that was classified; absent when there was none. */
  readonly etag?: string;
  readonly model?: string;
  readonly version?: string;
  /** Of an image its likeliest classes; of a file of rows one prediction or error a row, in their order. */
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

/** `jobs/<id>/summary.json`: the last word on a job that has ended, so that nobody has to count again. */
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

/** The state of a job whose inputs all have a row. */
export function finalState(counts: JobCounts): 'SUCCEEDED' | 'PARTIAL' | 'FAILED' {
  if (counts.failed === 0) return 'SUCCEEDED';
  return counts.succeeded === 0 ? 'FAILED' : 'PARTIAL';
}
