import { type Static, Type } from 'typebox';
import { PLAN_DEFAULTS } from '../../../domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../../domain/estimate/picture-size.ts';
import type { Speed } from '../../../domain/estimate/speed.ts';

const integer = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum, default: fallback, description }));
const oneOf = <const T extends readonly string[]>(values: T, fallback: T[number], description: string) =>
  Type.Optional(
    Type.Unsafe<T[number]>({ type: 'string', enum: [...values], default: fallback, description }),
  );

/** The options of a plan: query of GET /plan and, except for `images` and `imageBytes`, options of `plan`. */
export const PlanQuery = Type.Object(
  {
    images: Type.Integer({ minimum: 1, maximum: 1e12, description: 'Number of images' }),
    imageBytes: integer(1, 300_000_000, DEFAULT_SIZE.bytes, 'Bytes of one image, on average'),
    memory: integer(512, 10_240, PLAN_DEFAULTS.memory, 'Memory of the Lambda function in MB'),
    concurrency: integer(1, 10_000, PLAN_DEFAULTS.concurrency, 'Concurrent requests to Lambda'),
    vcpu: oneOf(['0.25', '0.5', '1', '2', '4', '8', '16'], '2', 'vCPUs of a Fargate task'),
    taskMemory: integer(512, 122_880, PLAN_DEFAULTS.taskMemory, 'Memory of a Fargate task in MB'),
    maxVcpus: integer(1, 10_000, PLAN_DEFAULTS.maxVcpus, 'vCPUs of all concurrent Fargate tasks'),
    shardSize: integer(1, 1_000_000, PLAN_DEFAULTS.shardSize, 'Images per Fargate task'),
    architecture: oneOf(['x86_64', 'arm64'], PLAN_DEFAULTS.architecture, 'CPU on AWS'),
  },
  { additionalProperties: false },
);
export type PlanQuery = Static<typeof PlanQuery>;

const seconds = (description: string) => Type.Number({ minimum: 0, description });

export const SpeedResponse = Type.Object(
  {
    where: Type.String({ description: 'The machine' }),
    source: Type.String({ description: 'Source of the figures' }),
    engine: Type.String(),
    precision: Type.String(),
    cores: Type.Integer({ minimum: 1, description: 'CPU cores used' }),
    decodeSeconds: seconds('Decoding one image, on one core'),
    inferenceSeconds: seconds('Inference of a single image, on all cores'),
    batchSeconds: seconds('Per image in full batches, decoding included'),
  },
  { $id: 'Speed' },
);
const speedRef = Type.Unsafe<Speed>({ $ref: 'Speed#' });

/** A Plan of domain/estimate. */
export const PlanResponse = Type.Object(
  {
    images: Type.Integer({ minimum: 1 }),
    size: Type.Object(
      {
        width: Type.Integer({ minimum: 1 }),
        height: Type.Integer({ minimum: 1 }),
        bytes: Type.Integer({ minimum: 0 }),
      },
      { description: 'One image' },
    ),
    speed: Type.Object({ here: speedRef, aws: speedRef }),
    prices: Type.Object({
      recordedOn: Type.String({ format: 'date', description: 'Prices change; check them' }),
      region: Type.String(),
      currency: Type.Literal('USD'),
    }),
    estimates: Type.Array(
      Type.Object({
        where: Type.String({ description: 'Where it runs' }),
        seconds: seconds('From start to end'),
        usd: Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
          description: 'US dollars; null for a machine without extra cost',
        }),
        arithmetic: Type.Array(Type.String(), { description: 'The calculation, one step per line' }),
      }),
    ),
    notes: Type.Array(Type.String(), {
      description: 'What the figures do not include, and what will not work',
    }),
  },
  { $id: 'Plan' },
);
