import { type Static, Type } from 'typebox';
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

/** What POST /predict takes as JSON: an image, or rows. */
const JsonInput = Type.Object(
  { ...JsonImage.properties, instances: Type.Optional(Instances) },
  {
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    description: 'Exactly one of `image`, `object` and `instances`',
  },
);

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

/** Every body type of POST /predict: an image, or rows for a tabular model. */
export const PredictBody = {
  description: 'One image, or rows',
  content: {
    ...ImageBody.content,
    'application/json': { schema: JsonInput },
    'text/csv': { schema: Csv },
  },
};
