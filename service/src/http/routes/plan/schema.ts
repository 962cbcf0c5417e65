import { type Static, Type } from 'typebox';
import { PLAN_DEFAULTS } from '../../../domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../../domain/estimate/picture-size.ts';

const integer = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum, default: fallback, description }));

/** Bounds are those of the `plan` command. */
export const PlanQuery = Type.Object(
  {
    images: Type.Integer({ minimum: 1, maximum: 1e12, description: 'Number of images' }),
    imageBytes: integer(1, 300_000_000, DEFAULT_SIZE.bytes, 'Average bytes per image'),
    memory: integer(512, 10_240, PLAN_DEFAULTS.lambdaMemoryMb, 'Memory of the Lambda function in MB'),
    concurrency: integer(1, 10_000, PLAN_DEFAULTS.concurrency, 'Concurrent requests to Lambda'),
    maxVcpus: integer(1, 10_000, PLAN_DEFAULTS.maxVcpus, 'Maximum concurrent vCPUs of Fargate tasks'),
  },
  { additionalProperties: false },
);
export type PlanQuery = Static<typeof PlanQuery>;

const seconds = (description: string) => Type.Number({ minimum: 0, description });

const SpeedResponse = Type.Object({
  where: Type.String({ description: 'Machine with this speed' }),
  source: Type.String({ description: 'Source of the figures' }),
  engine: Type.String(),
  precision: Type.String(),
  cores: Type.Integer({ minimum: 1, description: 'CPU cores in use' }),
  decodeSeconds: seconds('Decoding of one image, on one core'),
  inferenceSeconds: seconds('Inference of one image by itself, on all cores'),
  batchSeconds: seconds('One image in a full batch'),
});

/** A Plan of domain/plan. */
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
    speed: Type.Object({ here: SpeedResponse, aws: SpeedResponse }),
    prices: Type.Object({
      recordedOn: Type.String({ format: 'date', description: 'Prices may have changed since' }),
      region: Type.String(),
      currency: Type.Literal('USD'),
    }),
    estimates: Type.Array(
      Type.Object({
        where: Type.String({ description: 'Where the job runs' }),
        seconds: seconds('From start to end'),
        usd: Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
          description: 'US dollars; null for a machine without extra cost',
        }),
        arithmetic: Type.Array(Type.String(), { description: 'One line per step' }),
      }),
    ),
    notes: Type.Array(Type.String(), { description: 'Omissions and limits of the estimate' }),
  },
  { $id: 'Plan' },
);
