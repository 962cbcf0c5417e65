import { type Static, Type } from 'typebox';
import { JOB_STATES, MAX_OBJECTS, RESULT_KINDS, type ResultKind } from '../../../domain/job/job.ts';
import { RESULT_FORMATS, type ResultFormat } from '../../../domain/job/job-layout.ts';

/** A key has at most 1,024 bytes; `s3://<bucket>/` may precede it. */
const key = (description: string) => Type.String({ minLength: 1, maxLength: 1280, description });

const options = {
  topK: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 5, description: 'Number of classes per result' }),
  ),
  model: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Name of the model; default: the default model',
    }),
  ),
  results: Type.Optional(
    Type.Unsafe<ResultKind>({
      type: 'string',
      enum: [...RESULT_KINDS],
      default: 'objects',
      description:
        '`rows`: no `output/` object per input; at the end one file, `jobs/<jobId>/results.jsonl.gz`',
    }),
  ),
  deadline: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'The job opens no further chunk of images from then on and ends as PARTIAL',
    }),
  ),
  idempotencyKey: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description:
        'Makes a retry safe: the same request with the same key returns the same job; another request, or other files, with that key get 409',
    }),
  ),
};

/** What POST /batch takes as JSON: exactly one of `prefix` and `objects`. */
export const BatchRequestBody = Type.Object(
  {
    prefix: Type.Optional(key('Prefix of the keys, e.g. `input/holiday/`')),
    objects: Type.Optional(
      Type.Array(key('Key of an object, e.g. `input/a.jpg`'), {
        minItems: 1,
        maxItems: MAX_OBJECTS,
        description: 'Each object counts once; for more than 10,000 send a prefix',
      }),
    ),
    ...options,
  },
  { additionalProperties: false, description: 'Exactly one of `prefix` and `objects`' },
);
export type BatchRequestBody = Static<typeof BatchRequestBody>;

/** The text fields of a form; they come before the files. */
export const BatchFormFields = Type.Object(options, { additionalProperties: false });
export type BatchFormFields = Static<typeof BatchFormFields>;

/** The form as the document shows it. */
export const BatchForm = Type.Object(
  {
    ...options,
    files: Type.Array(Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }), {
      description:
        'Any number of image files up to 1,000, after the other fields; the parts may have any name. A file name may be a relative path (`cats/a.jpg`), which is then part of the key',
    }),
  },
  { required: ['files'] },
);

export const BatchJob = Type.Object(
  {
    jobId: Type.String(),
    status: Type.Unsafe<(typeof JOB_STATES)[number]>({
      type: 'string',
      enum: [...JOB_STATES],
      description:
        'PARTIAL: some rows are errors, or the deadline left inputs pending. FAILED: no input could be classified, or all attempts of the workers failed',
    }),
    counts: Type.Object(
      {
        total: Type.Integer({ minimum: 0 }),
        succeeded: Type.Integer({ minimum: 0 }),
        failed: Type.Integer({ minimum: 0 }),
        pending: Type.Integer({ minimum: 0 }),
      },
      { description: 'Number of inputs; 0 until a prefix is listed' },
    ),
    model: Type.String(),
    topK: Type.Integer(),
    createdAt: Type.String({ format: 'date-time' }),
    submittedAt: Type.Optional(Type.String({ format: 'date-time' })),
    finishedAt: Type.Optional(Type.String({ format: 'date-time' })),
    deadline: Type.Optional(Type.String({ format: 'date-time' })),
    reason: Type.Optional(
      Type.String({ description: 'Why it failed, was cancelled or stopped early (`DEADLINE: …`)' }),
    ),
    next: Type.Optional(Type.String({ description: 'The job with the inputs beyond 10,000 shards' })),
    links: Type.Object({
      self: Type.String(),
      results: Type.String(),
      report: Type.String(),
      next: Type.Optional(Type.String()),
    }),
  },
  { $id: 'BatchJob' },
);
export type BatchJob = Static<typeof BatchJob>;

export const BatchJobParams = Type.Object({
  jobId: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$', description: 'Id from POST /batch' }),
});

export const BatchResultsQuery = Type.Object(
  {
    format: Type.Optional(
      Type.Unsafe<ResultFormat>({
        type: 'string',
        enum: [...RESULT_FORMATS],
        default: 'jsonl',
        description:
          'csv, safe to open in a spreadsheet, and parquet: one line per image or per row of a table',
      }),
    ),
  },
  { additionalProperties: false },
);

export const BatchListQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100, default: 20, description: 'Jobs per page' }),
    ),
    cursor: Type.Optional(
      Type.String({
        pattern: '^[0-9]{13}-[A-Za-z0-9_-]{1,128}$',
        description: '`next` of the previous page',
      }),
    ),
  },
  { additionalProperties: false },
);

export const BatchJobList = Type.Object({
  jobs: Type.Array(Type.Unsafe<BatchJob>({ $ref: 'BatchJob#' })),
  next: Type.Optional(Type.String({ description: 'Cursor of the next page; absent on the last one' })),
});
