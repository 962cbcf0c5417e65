import { type Static, Type } from 'typebox';

const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const relativePath = Type.String({
  pattern: '^(?!/)(?!.*(^|/)\\.\\.(/|$))[^\\\\]+$',
  description: 'relative, no ..',
});
const perChannel = Type.Array(Type.Number(), { minItems: 1, maxItems: 4 });
const literals = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });
const closed = { additionalProperties: false } as const;

/** Resize filters, with libvips' names. */
const RESIZE_KERNELS = ['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'] as const;

export const TASKS = ['image-classification', 'tabular-classification', 'tabular-regression'] as const;
export type Task = (typeof TASKS)[number];

/** The formats that each engine supports. */
export const FORMATS_OF = {
  tensorflow: ['tfjs-layers', 'tfjs-graph', 'saved-model'],
  wasm: ['tfjs-layers', 'tfjs-graph'],
  onnx: ['onnx'],
} as const;

/** How a decoded picture becomes the network's input: value = (pixel * scale - mean) / std for each channel. */
const imageInputSchema = Type.Object(
  {
    kind: Type.Literal('image'),
    height: Type.Integer({ minimum: 1, maximum: 4096 }),
    width: Type.Integer({ minimum: 1, maximum: 4096 }),
    channels: literals(['RGB', 'BGR', 'GRAY']),
    /** shorter-side: scale so that the shorter side has `size` pixels, then crop; cover: scale to cover, then crop; squash: ignore the aspect ratio. */
    resize: Type.Object({
      mode: literals(['shorter-side', 'cover', 'squash']),
      size: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
      /** Default `linear`. Use the filter that the model was evaluated with. */
      kernel: Type.Optional(literals(RESIZE_KERNELS)),
    }),
    crop: literals(['center']),
    scale: Type.Number(),
    mean: perChannel,
    std: perChannel,
    layout: literals(['NHWC', 'NCHW']),
  },
  closed,
);

/** One column. A category is one of `categories`; a numeric input gets its position in that list. */
const featureSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    type: literals(['number', 'integer', 'category']),
    categories: Type.Optional(
      Type.Array(Type.String({ maxLength: 256 }), { minItems: 1, maxItems: 10_000, uniqueItems: true }),
    ),
    /** Inclusive bounds of a number; rows outside are errors. */
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
  },
  closed,
);

/** The columns of a row, in the order of the training data. */
const tabularInputSchema = Type.Object(
  { kind: Type.Literal('tabular'), features: Type.Array(featureSchema, { minItems: 1, maxItems: 10_000 }) },
  closed,
);

/** Name of the output tensor; required if the model has several. */
const tensor = Type.Optional(Type.String({ minLength: 1, maxLength: 256 }));

const classesOutput = Type.Object(
  {
    /** softmax: the model returns probabilities; logits: the service applies softmax. */
    activation: literals(['softmax', 'logits']),
    classes: Type.Integer({ minimum: 1, maximum: 100_000 }),
    /** The labels, or one of source.files with them as JSON: an array, or an object from index to label. */
    labels: Type.Union([Type.Array(Type.String({ maxLength: 256 }), { minItems: 1 }), relativePath]),
    tensor,
  },
  closed,
);

const valueOutput = Type.Object(
  {
    /** Description of the number, such as "disease progression after one year". */
    target: Type.String({ minLength: 1, maxLength: 128 }),
    tensor,
  },
  closed,
);

/** Origin of the files: an npm package with version and integrity, a prefix of a bucket, or else the manifest's folder. */
const source = Type.Object(
  {
    npm: Type.Optional(
      Type.String({ pattern: '^(@[a-z0-9-._~]+/)?[a-z0-9-._~]+@[0-9]+\\.[0-9]+\\.[0-9]+([^0-9\\n].*)?$' }),
    ),
    integrity: Type.Optional(Type.String({ pattern: '^sha512-[A-Za-z0-9+/]+=*$' })),
    s3: Type.Optional(
      Type.String({
        pattern: '^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(.*/)?$',
        description: 's3://<bucket>/<prefix>/ with a / at its end',
      }),
    ),
    files: Type.Array(
      Type.Object({ path: relativePath, bytes: Type.Integer({ minimum: 0 }), sha256 }, closed),
      { minItems: 1, maxItems: 10_000 },
    ),
  },
  closed,
);

const share = Type.Number({ minimum: 0, maximum: 1 });

/** Written by `npm run evaluate -- <model> <folder> --write`. */
const evaluation = Type.Object(
  {
    /** Name of the pictures' folder. */
    dataset: Type.String({ minLength: 1 }),
    images: Type.Integer({ minimum: 1 }),
    precisions: Type.Record(
      Type.String(),
      Type.Object(
        {
          top1: share,
          top5: share,
          /** Share of the pictures with the same top-1 label as in float32. */
          agreement: share,
        },
        closed,
      ),
    ),
  },
  closed,
);

/** The accuracy that the publisher of the weights reports. It is not measured here. */
const published = Type.Object({ top1: share, top5: share, dataset: Type.String({ minLength: 1 }) }, closed);

const common = {
  schemaVersion: Type.Literal(1),
  name: Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$' }),
  version: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$' }),
  description: Type.String(),
  licence: Type.String({ minLength: 1 }),
  engine: literals(['tensorflow', 'wasm', 'onnx']),
  format: literals(['tfjs-layers', 'tfjs-graph', 'saved-model', 'onnx']),
  source,
  /** The file that the engine loads, one of source.files. */
  entry: relativePath,
  /** Code before and after inference, in the manifest's folder. */
  hooks: Type.Optional(Type.Literal('hooks.mjs')),
  metrics: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()])),
};

const imageManifest = Type.Object(
  {
    ...common,
    task: Type.Literal('image-classification'),
    input: imageInputSchema,
    output: classesOutput,
    evaluation: Type.Optional(evaluation),
    published: Type.Optional(published),
  },
  closed,
);
const tabularClassManifest = Type.Object(
  {
    ...common,
    task: Type.Literal('tabular-classification'),
    input: tabularInputSchema,
    output: classesOutput,
  },
  closed,
);
const tabularValueManifest = Type.Object(
  { ...common, task: Type.Literal('tabular-regression'), input: tabularInputSchema, output: valueOutput },
  closed,
);

/** The manifest's schema for each task. */
export const manifestSchemas = {
  'image-classification': imageManifest,
  'tabular-classification': tabularClassManifest,
  'tabular-regression': tabularValueManifest,
} as const satisfies Record<Task, unknown>;

export type ImageInput = Static<typeof imageInputSchema>;
export type Feature = Static<typeof featureSchema>;
export type ImageManifest = Static<typeof imageManifest>;
export type TabularManifest = Static<typeof tabularClassManifest> | Static<typeof tabularValueManifest>;

/** manifest.json of a model's folder: its files, its input and its output. */
export type Manifest = ImageManifest | TabularManifest;
