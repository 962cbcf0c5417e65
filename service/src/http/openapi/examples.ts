import { BATCH_EXAMPLES } from './batch-examples.ts';
import type { Examples } from './example.ts';
import { PROTOCOL_EXAMPLES } from './protocol-examples.ts';

const MODEL = {
  name: 'resnet50',
  version: '1.0.4',
  task: 'image-classification',
  description: 'ResNet-50, trained on ImageNet',
  licence: 'ISC',
  engine: 'tensorflow',
  precision: 'float32',
  ready: true,
  input: { height: 224, width: 224, channels: 3 },
  classes: 1000,
  metrics: { top1: 0.911, top5: 0.985 },
};

/** Examples of the document. Responses are those of the real service. */
export const EXAMPLES: Readonly<Record<string, Examples>> = {
  ...BATCH_EXAMPLES,
  ...PROTOCOL_EXAMPLES,
  explain: {
    request: {
      'application/json': {
        image: {
          summary: 'The image itself (here the smallest GIF)',
          value: { image: 'R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=' },
        },
      },
    },
    response: {
      model: 'resnet50',
      version: '1.0.4',
      prediction: { label: 'Egyptian_cat', index: 285, probability: 0.742113 },
      grid: [
        [0.01, 0.08],
        [-0.02, 0.31],
      ],
      region: { left: 0.125, top: 0, width: 0.75, height: 1 },
      picture: { width: 640, height: 480 },
    },
  },
  predict: {
    request: {
      'application/json': {
        image: {
          summary: 'The image itself (here the smallest GIF)',
          value: { image: 'R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=' },
        },
        object: { summary: 'An object of the store', value: { object: 'input/cat.jpg' } },
      },
    },
    response: {
      model: 'resnet50',
      version: '1.0.4',
      predictions: [
        { label: 'Egyptian_cat', index: 285, probability: 0.742113 },
        { label: 'tiger_cat', index: 282, probability: 0.157034 },
      ],
      timing: { decodeMs: 4.1, queueMs: 0.1, inferenceMs: 36.9 },
    },
  },
  createUpload: {
    request: {
      'application/json': {
        image: { summary: 'A photograph', value: { name: 'cat.jpg', size: 8388608, type: 'image/jpeg' } },
      },
    },
    response: {
      key: 'uploads/5d41402abc4b2a76b9719d911017c592/cat.jpg',
      url: '/uploads?token=eyJrZXkiOiJ1cGxvYWRzL',
      headers: { 'content-type': 'image/jpeg' },
      expiresAt: '2026-01-31T09:45:00.000Z',
    },
  },
  listModels: {
    response: {
      models: [MODEL],
    },
  },
  getModel: { response: { ...MODEL, labels: ['tench', 'goldfish'], classes: 2 } },
  getLiveness: { response: { status: 'ok' } },
  getReadiness: { response: { status: 'ready' } },
  getHealth: { response: { status: 'ready' } },
  getVersion: { response: { name: 'ml-serverless', version: '0.1.0' } },
  getMetrics: { response: 'models_ready 1\n' },
  problems: {
    details: {
      INVALID_REQUEST: 'query topK must be <= 100',
      UNAUTHORIZED: 'send an API key in x-api-key or as Authorization: Bearer <key>',
      MODEL_NOT_FOUND: 'unknown model "resnet51"; available: resnet50',
      OBJECT_NOT_FOUND: 'there is no object "input/cat.jpg"',
      JOB_NOT_FOUND: 'there is no job "5d41402abc4b"',
      CONFLICT: 'the idempotencyKey belongs to another job; choose a new one',
      PAYLOAD_TOO_LARGE: 'the body is larger than this server accepts',
      QUEUE_UNAVAILABLE: 'the job queue does not answer; try again later',
      REQUEST_TIMEOUT: 'the request did not arrive in time; send it again',
      IMAGE_TOO_LARGE: 'the image is larger than 20971520 bytes; scale it down',
      UNSUPPORTED_MEDIA_TYPE: 'set the Content-Type of the body to one of: application/json',
      UNREADABLE_IMAGE: 'the image cannot be decoded; it is cut off or damaged',
      OVERLOADED: 'too many images are waiting; try again in a second',
      MODEL_NOT_READY: 'the model is still loading; try again in a second',
      ENGINE_FAILED: 'the engine failed and is being replaced; try again',
      STORE_UNAVAILABLE: 'the object store does not answer; try again later',
      INTERNAL: 'something went wrong here; the log has the details under this requestId',
    },
  },
};
