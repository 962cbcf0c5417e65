import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AppError } from '../service/src/domain/errors.ts';

const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });
const relativePath = Type.String({
  pattern: '^(?!/)(?!.*(^|/)\\.\\.(/|$))[^\\\\]+$',
  description: 'relative, no ..',
});
const perChannel = Type.Array(Type.Number(), { minItems: 1, maxItems: 4 });
const literals = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });

/** How a decoded picture becomes the network's input: value = (pixel * scale - mean) / std, channel by channel. */
export const imageInputSchema = Type.Object(
  {
    kind: Type.Literal('image'),
    height: Type.Integer({ minimum: 1, maximum: 4096 }),
    width: Type.Integer({ minimum: 1, maximum: 4096 }),
    channels: literals(['RGB', 'BGR', 'GRAY']),
    /** shorter-side: scale so that the shorter side has `size` pixels, then crop; cover: scale to cover, then crop; squash: ignore the aspect ratio. */
    resize: Type.Object({
      mode: literals(['shorter-side', 'cover', 'squash']),
      size: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    }),
    crop: literals(['center']),
    scale: Type.Number(),
    mean: perChannel,
    std: perChannel,
    layout: literals(['NHWC', 'NCHW']),
  },
  { additionalProperties: false },
);

/** The model card that a model's folder holds: where it comes from, what it eats and what it answers. */
export const manifestSchema = Type.Object(
  {
    schemaVersion: Type.Literal(1),
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$' }),
    version: Type.String({ minLength: 1, maxLength: 64 }),
    task: literals(['image-classification']),
    description: Type.String(),
    licence: Type.String({ minLength: 1 }),
    engine: literals(['tensorflow']),
    format: literals(['tfjs-layers']),
    /** Where the files come from: an npm package by exact version and integrity, or (without `npm`) the manifest's own folder. */
    source: Type.Object(
      {
        npm: Type.Optional(
          Type.String({ pattern: '^(@[a-z0-9-._~]+/)?[a-z0-9-._~]+@[0-9]+\\.[0-9]+\\.[0-9]+.*$' }),
        ),
        integrity: Type.Optional(Type.String({ pattern: '^sha512-[A-Za-z0-9+/]+=*$' })),
        files: Type.Array(
          Type.Object(
            { path: relativePath, bytes: Type.Integer({ minimum: 0 }), sha256 },
            { additionalProperties: false },
          ),
          { minItems: 1 },
        ),
      },
      { additionalProperties: false },
    ),
    /** The file an engine opens, one of source.files. */
    entry: relativePath,
    input: imageInputSchema,
    output: Type.Object(
      {
        activation: literals(['softmax', 'logits']),
        classes: Type.Integer({ minimum: 1, maximum: 100_000 }),
        /** JSON: an array of labels, or an object from index to label. */
        labels: relativePath,
      },
      { additionalProperties: false },
    ),
    metrics: Type.Record(Type.String(), Type.Union([Type.Number(), Type.String()])),
  },
  { additionalProperties: false },
);

export type Manifest = Static<typeof manifestSchema>;
export type ImageInput = Static<typeof imageInputSchema>;

/**
 * Reads and checks `<folder>/manifest.json`.
 *
 * @throws AppError INVALID_MODEL with one line that names the file and the field; MODEL_NOT_FOUND when there is none
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, 'manifest.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new AppError('MODEL_NOT_FOUND', `no manifest at ${file}`, {}, { cause });
  }
  return parseManifest(text, file);
}

/** The checks of readManifest on a manifest's text; `file` is for the messages. */
export function parseManifest(text: string, file: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError('INVALID_MODEL', `${file} is not JSON: ${(cause as Error).message}`, {}, { cause });
  }
  const [fault] = Value.Errors(manifestSchema, value);
  if (fault) {
    throw new AppError('INVALID_MODEL', `${file}: ${fault.instancePath || '/'} ${fault.message}`);
  }
  const manifest = value as Manifest;
  const { input, source } = manifest;
  const channels = input.channels === 'GRAY' ? 1 : 3;
  for (const field of ['mean', 'std'] as const) {
    if (input[field].length !== channels) {
      throw new AppError(
        'INVALID_MODEL',
        `${file}: /input/${field} needs ${channels} numbers, one a channel`,
      );
    }
  }
  if (input.std.includes(0)) throw new AppError('INVALID_MODEL', `${file}: /input/std holds a 0`);
  if (input.resize.mode === 'shorter-side') {
    const { size } = input.resize;
    if (size === undefined || size < Math.max(input.height, input.width)) {
      throw new AppError(
        'INVALID_MODEL',
        `${file}: /input/resize/size must be at least the input's height and width`,
      );
    }
  }
  for (const [field, path] of [
    ['/entry', manifest.entry],
    ['/output/labels', manifest.output.labels],
  ] as const) {
    if (!source.files.some((known) => known.path === path)) {
      throw new AppError(
        'INVALID_MODEL',
        `${file}: ${field} ${JSON.stringify(path)} is not one of source.files`,
      );
    }
  }
  if (source.npm !== undefined && source.integrity === undefined) {
    throw new AppError(
      'INVALID_MODEL',
      `${file}: /source/integrity is missing (npm packages are pinned by it)`,
    );
  }
  return manifest;
}
