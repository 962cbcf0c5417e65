import { type Static, Type } from 'typebox';
import { PLAN_DEFAULTS } from '../../../domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../../domain/estimate/picture-size.ts';

const integer = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum, default: fallback, description }));

/** Bounds are those of the `plan` command. */
export const PlanQuery = Type.Object(
  {
    images: Type.Integer({ minimum: 1, maximum: 1e12, description: 'How many pictures' }),
    imageBytes: integer(1, 300_000_000, DEFAULT_SIZE.bytes, 'Bytes of one picture, on average'),
    memory: integer(512, 10_240, PLAN_DEFAULTS.lambdaMemoryMb, 'Memory of the Lambda function in MB'),
    concurrency: integer(1, 10_000, PLAN_DEFAULTS.concurrency, 'Requests to Lambda at once'),
    maxVcpus: integer(1, 10_000, PLAN_DEFAULTS.maxVcpus, 'vCPUs that Fargate tasks may use at once'),
  },
  { additionalProperties: false },
);
export type PlanQuery = Static<typeof PlanQuery>;

const seconds = (description: string) => Type.Number({ minimum: 0, description });

const SpeedResponse = Type.Object({
  where: Type.String({ description: 'What is this fast' }),
  source: Type.String({ description: 'Where the figures come from' }),
  engine: Type.String(),
  precision: Type.String(),
  cores: Type.Integer({ minimum: 1, description: 'CPU cores that were at work' }),
  decodeSeconds: seconds('Decoding one picture, on one core'),
  inferenceSeconds: seconds('One picture through the model by itself, on all cores'),
  batchSeconds: seconds('A picture when there are always more'),
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
      { description: 'One picture' },
    ),
    speed: Type.Object({ here: SpeedResponse, aws: SpeedResponse }),
    prices: Type.Object({
      recordedOn: Type.String({ format: 'date', description: 'Prices change: check them' }),
      region: Type.String(),
      currency: Type.Literal('USD'),
    }),
    estimates: Type.Array(
      Type.Object({
        where: Type.String({ description: 'Which way it is done' }),
        seconds: seconds('From start to end'),
        usd: Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
          description: 'US dollars; null for a machine that is paid for anyway',
        }),
        arithmetic: Type.Array(Type.String(), { description: 'How they come about, a line a step' }),
      }),
    ),
    notes: Type.Array(Type.String(), { description: 'What the figures leave out, and what will not work' }),
  },
  { $id: 'Plan' },
);
