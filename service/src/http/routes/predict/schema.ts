import { type Static, Type } from 'typebox';
import type { ErrorCode } from '../../../domain/errors.ts';
import type { Classification } from '../../../domain/prediction.ts';
import { MAX_IMAGES } from '../../body/image-request.ts';
import { ClassificationResponse } from '../../schemas/shared.ts';
import { Csv, Instances } from '../../schemas/tabular.ts';

/** A body of bytes, for the document; body/parsers.ts reads such bodies. */
const binary = (description: string) =>
  Type.Unsafe<Buffer>({ type: 'string', format: 'binary', description });

/** The JSON forms of an image: exactly one of the two members. */
export const JsonImage = Type.Object(
  {
    image: Type.Optional(
      Type.String({ description: 'The image file in base64 (padded), or a `data:` URL of it' }),
    ),
    object: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1280, description: 'Key of an object in the configured store' }),
    ),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: 'Exactly one of `image` and `object`',
  },
);
export type JsonImage = Static<typeof JsonImage>;

/** What POST /invocations takes as JSON: an image, or rows. */
const JsonInput = Type.Object(
  { ...JsonImage.properties, instances: Type.Optional(Instances) },
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: 'Exactly one of `image`, `object` and `instances`',
  },
);

/** What POST /predict takes as JSON: an image, several of them, or rows. */
const JsonImagesOrRows = Type.Object(
  {
    ...JsonInput.properties,
    images: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: MAX_IMAGES })),
    objects: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 1280 }), { minItems: 1, maxItems: MAX_IMAGES }),
    ),
  },
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: 'Exactly one member; `images` and `objects` are lists of what `image` and `object` take',
  },
);
export type JsonImages = Static<typeof JsonImagesOrRows>;

const ImageForm = Type.Object(
  {
    image: binary('The image file; under any part name, but the only file'),
    topK: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100, description: 'As in the query, which wins' }),
    ),
    model: Type.Optional(
      Type.String({ minLength: 1, maxLength: 64, description: 'As in the query, which wins' }),
    ),
  },
  { required: ['image'] },
);

const file = binary('The bytes of the image file: JPEG, PNG, WebP, AVIF, TIFF or GIF (its first frame)');

/** Every body type of an image, keyed as Fastify and OpenAPI both want it. */
export const ImageBody = {
  description: 'One image',
  content: {
    'multipart/form-data': { schema: ImageForm },
    'image/*': { schema: file },
    'application/octet-stream': { schema: file },
    'application/jpeg': { schema: file },
    'application/json': { schema: JsonImage },
  },
};

/** Every body type of POST /invocations besides lines: an image, or rows for a tabular model. */
export const PredictBody = {
  description: 'One image, or rows',
  content: {
    ...ImageBody.content,
    'application/json': { schema: JsonInput },
    'text/csv': { schema: Csv },
  },
};

/** Every body type of POST /predict. A form may have more files than the one that its schema names. */
export const PredictImagesBody = {
  description: `One image, up to ${MAX_IMAGES} images, or rows. A form takes each file part as an image, under any name.`,
  content: { ...PredictBody.content, 'application/json': { schema: JsonImagesOrRows } },
};

/** One image of several: its classes, or why it has none. */
export interface ImageResult extends Partial<Pick<Classification, 'predictions' | 'timing'>> {
  readonly name?: string;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

export interface ImageResults extends Pick<Classification, 'model' | 'version'> {
  readonly results: readonly ImageResult[];
}

const { model, version, predictions, timing } = ClassificationResponse.properties;

/** What POST /predict answers to several images. */
export const ImageResultsResponse = Type.Object(
  {
    model,
    version,
    results: Type.Array(
      Type.Object({
        name: Type.Optional(Type.String({ description: 'File name or key' })),
        predictions: Type.Optional(predictions),
        timing: Type.Optional(timing),
        error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
      }),
      { description: 'One entry per image, in order: `predictions` and `timing`, or `error`' },
    ),
  },
  { $id: 'Classifications' },
);
