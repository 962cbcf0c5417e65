import { type Static, Type } from 'typebox';

const parameters = Type.Optional(Type.Record(Type.String(), Type.Unknown()));
const shape = Type.Array(Type.Integer({ minimum: -1 }), { maxItems: 8 });
const data = Type.Array(Type.Unknown(), { description: 'Flat in row-major order, or nested by the shape' });

const InputTensor = Type.Object({
  name: Type.String(),
  shape,
  datatype: Type.String({ description: 'FP32, FP64, INT8 … INT64, UINT8 … UINT64, BOOL or BYTES' }),
  parameters,
  data,
});

export const InferRequest = Type.Object({
  id: Type.Optional(Type.String({ maxLength: 256 })),
  parameters: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: '`topK` for image models, 1-100' }),
  ),
  inputs: Type.Array(InputTensor, {
    minItems: 1,
    maxItems: 10_000,
    description:
      'Tables: one matrix [rows, features], or one tensor [rows] (or [rows, 1]) a feature. Images: `image`, BYTES, [n], base64',
  }),
  outputs: Type.Optional(Type.Array(Type.Object({ name: Type.String(), parameters }), { maxItems: 16 })),
});

export const InferResponse = Type.Object({
  model_name: Type.String(),
  model_version: Type.Optional(Type.String()),
  id: Type.Optional(Type.String()),
  outputs: Type.Array(Type.Object({ name: Type.String(), shape, datatype: Type.String(), data })),
});

const TensorMetadata = Type.Object({
  name: Type.String(),
  datatype: Type.String(),
  shape: Type.Array(Type.Integer(), { description: '-1: any number' }),
});

export const ModelMetadata = Type.Object({
  name: Type.String(),
  versions: Type.Array(Type.String()),
  platform: Type.String(),
  inputs: Type.Array(TensorMetadata),
  outputs: Type.Array(TensorMetadata),
});

export const ServerMetadata = Type.Object({
  name: Type.String(),
  version: Type.String(),
  extensions: Type.Array(Type.String()),
});

export type InferRequest = Static<typeof InferRequest>;
export type InferResponse = Static<typeof InferResponse>;
export type ModelMetadata = Static<typeof ModelMetadata>;
export type InputTensor = Static<typeof InputTensor>;
export type OutputTensor = InferResponse['outputs'][number];
