import type { Examples } from './example.ts';

/** The smallest GIF, in base64. */
const GIF = 'R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=';

const image = { summary: 'One image (here the smallest GIF)', value: { image: GIF } };
const lines = { lines: { summary: 'Two images', value: `{"image": "${GIF}"}\n{"image": "${GIF}"}\n` } };
const csv = { csv: { summary: 'Two rows with a header', value: 'age,bmi\n59,32.1\n48,21.6\n' } };

const metadata = {
  name: 'resnet50',
  versions: ['1.0.4'],
  platform: 'tensorflow',
  inputs: [{ name: 'image', datatype: 'BYTES', shape: [-1] }],
  outputs: [{ name: 'label', datatype: 'BYTES', shape: [-1, 5] }],
};
const infer: Examples = {
  request: {
    'application/json': {
      image: {
        summary: 'One image (here the smallest GIF)',
        value: { inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], data: [GIF] }] },
      },
    },
  },
  response: {
    model_name: 'resnet50',
    model_version: '1.0.4',
    outputs: [{ name: 'label', datatype: 'BYTES', shape: [1, 2], data: ['Egyptian_cat', 'tiger_cat'] }],
  },
};

/** Examples of the routes of SageMaker's container contract and of the Open Inference Protocol. */
export const PROTOCOL_EXAMPLES: Readonly<Record<string, Examples>> = {
  ping: { response: { status: 'ok' } },
  getExecutionParameters: {
    response: { MaxConcurrentTransforms: 4, BatchStrategy: 'SINGLE_RECORD', MaxPayloadInMB: 20 },
  },
  invoke: {
    request: {
      'application/json': { image },
      'text/csv': csv,
      'application/jsonlines': lines,
      'application/x-jsonlines': lines,
      'application/x-ndjson': lines,
    },
    response: {
      model: 'resnet50',
      version: '1.0.4',
      predictions: [{ label: 'Egyptian_cat', index: 285, probability: 0.742113 }],
      timing: { decodeMs: 4.1, queueMs: 0.1, inferenceMs: 36.9 },
    },
  },
  getServerMetadata: { response: { name: 'ml-serverless', version: '1.0.0', extensions: [] } },
  getServerLive: { response: { live: true } },
  getServerReady: { response: { ready: true } },
  getModelMetadata: { response: metadata },
  getModelVersionMetadata: { response: metadata },
  getModelReady: { response: { ready: true } },
  getModelVersionReady: { response: { ready: true } },
  inferModel: infer,
  inferModelVersion: infer,
};
