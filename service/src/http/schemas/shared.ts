import { type Static, type TSchema, Type } from 'typebox';
import { ERROR_CODES } from '../../domain/errors.ts';
import { STATUS_OF } from '../errors/status.ts';
import { FeatureResponse } from './tabular.ts';

/** Number of classes if a request does not set topK. */
export const DEFAULT_TOP_K = 5;

/** Error bodies: RFC 9457 problem details with a stable `code`. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'Always `about:blank`; `code` identifies the problem' }),
    title: Type.String({ description: 'The HTTP status in words' }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: 'The HTTP status' }),
    detail: Type.String({ description: 'One line: what is wrong and what to do' }),
    code: Type.Unsafe<(typeof ERROR_CODES)[number]>({
      type: 'string',
      enum: [...ERROR_CODES],
      description: 'Stable name of the problem',
    }),
    requestId: Type.String({ description: 'As in the X-Request-Id header and in the log' }),
    at: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()]), {
        description: 'Position of the fault in the request or file',
      }),
    ),
    retryAfterSeconds: Type.Optional(
      Type.Integer({ minimum: 0, description: 'As in the Retry-After header' }),
    ),
    error: Type.Optional(
      Type.String({ description: 'As `detail`; only on routes of the Open Inference Protocol' }),
    ),
  },
  { $id: 'Problem', description: 'RFC 9457 problem details with a stable code' },
);
export type Problem = Static<typeof Problem>;

/** Query of every route that classifies. */
export const ClassifyQuery = Type.Object(
  {
    topK: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        default: DEFAULT_TOP_K,
        description: 'Number of classes to return, likeliest first',
      }),
    ),
    model: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description: 'Name of the model, as GET /models lists it; the default model when absent',
      }),
    ),
  },
  { additionalProperties: false },
);
export type ClassifyQuery = Static<typeof ClassifyQuery>;

const Prediction = Type.Object({
  label: Type.String({ description: 'Name of the class' }),
  index: Type.Integer({ minimum: 0, description: 'Position of the class in the model’s output' }),
  probability: Type.Number({ minimum: 0, maximum: 1, description: 'Rounded to six decimals' }),
});

const milliseconds = (description: string) => Type.Number({ minimum: 0, description });

/** What POST /predict answers. */
export const ClassificationResponse = Type.Object(
  {
    model: Type.String({ description: 'The model that answered' }),
    version: Type.String({ description: 'Its version' }),
    predictions: Type.Array(Prediction, { description: 'The likeliest classes, likeliest first' }),
    timing: Type.Object(
      {
        decodeMs: milliseconds('Decoding and preprocessing'),
        queueMs: milliseconds('Waiting for the engine'),
        inferenceMs: milliseconds('In the engine, with the other images of its batch'),
      },
      { description: 'Where the time went, in milliseconds' },
    ),
  },
  { $id: 'Classification' },
);

/** One loaded model. GET /models leaves out its labels; GET /models/{name} has them. */
export const ModelResponse = Type.Object(
  {
    name: Type.String(),
    version: Type.String(),
    task: Type.String({
      description: '`image-classification`, `tabular-classification` or `tabular-regression`',
    }),
    description: Type.String(),
    licence: Type.String(),
    engine: Type.String({ description: 'Engine that runs it: `tensorflow`, `wasm` or `onnx`' }),
    precision: Type.String({ description: '`float32`, `bfloat16` or `int8`' }),
    degraded: Type.Optional(
      Type.String({
        description: 'Why a slower engine than intended runs the model, and what that costs',
      }),
    ),
    ready: Type.Boolean({ description: 'Loaded and warmed up' }),
    input: Type.Union([
      Type.Object(
        {
          height: Type.Integer({ minimum: 1 }),
          width: Type.Integer({ minimum: 1 }),
          channels: Type.Integer({ minimum: 1 }),
        },
        { description: 'Input of the network in pixels; images of any size are scaled and cropped to it' },
      ),
      Type.Object({ features: Type.Array(FeatureResponse) }, { description: 'Columns of a row, in order' }),
    ]),
    classes: Type.Integer({ minimum: 0, description: 'Number of classes; 0 for a regression' }),
    labels: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Label of each class by index; only in GET /models/{name}',
      }),
    ),
    target: Type.Optional(Type.String({ description: 'What a regression predicts' })),
    metrics: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()]), {
      description: 'Measurements of the model, and their data set',
    }),
    published: Type.Optional(
      Type.Object(
        { top1: Type.Number(), top5: Type.Number(), dataset: Type.String() },
        { description: 'Accuracy that the publisher of the weights reports' },
      ),
    ),
  },
  { $id: 'Model' },
);

/** A response of a route for the document, not for validation: every problem has the same schema. */
export interface ProblemResponse {
  readonly description: string;
  readonly content: { readonly 'application/problem+json': { readonly schema: TSchema } };
}

/** Problems of routes that pass a body to a model. */
export const MODEL_PROBLEMS = [
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'MODEL_NOT_FOUND',
  'OBJECT_NOT_FOUND',
  'REQUEST_TIMEOUT',
  'IMAGE_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'UNREADABLE_IMAGE',
  'OVERLOADED',
  'MODEL_NOT_READY',
  'ENGINE_FAILED',
  'STORE_UNAVAILABLE',
] as const;

const PROBLEMS_OF_EVERY_ROUTE = [
  'INVALID_REQUEST',
  'HOST_NOT_ALLOWED',
  'ORIGIN_NOT_ALLOWED',
  'INTERNAL',
] as const;

/** Response schemas of a route's problems by status, with those of every route. */
export function problems(...codes: readonly (typeof ERROR_CODES)[number][]): Record<number, ProblemResponse> {
  const byStatus = new Map<number, string[]>();
  const wanted = new Set<string>([...codes, ...PROBLEMS_OF_EVERY_ROUTE]);
  // In one order for every route, so that equal responses become one component.
  for (const code of ERROR_CODES.filter((each) => wanted.has(each))) {
    byStatus.set(STATUS_OF[code], [...(byStatus.get(STATUS_OF[code]) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: names.join(' or '),
        content: { 'application/problem+json': { schema: Type.Unsafe({ $ref: 'Problem#' }) } },
      },
    ]),
  );
}
