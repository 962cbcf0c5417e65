import type { Examples } from './example.ts';

const self = '/batch/r-5d41402abc4b';
const links = { self, results: `${self}/results`, report: `${self}/report` };
const submitted = {
  jobId: 'r-5d41402abc4b',
  status: 'SUBMITTED',
  counts: { total: 2, succeeded: 0, failed: 0, pending: 2 },
  model: 'resnet50',
  topK: 5,
  createdAt: '2026-01-31T09:30:00.000Z',
  links,
};
const ended = {
  ...submitted,
  status: 'PARTIAL',
  counts: { total: 2, succeeded: 1, failed: 1, pending: 0 },
  submittedAt: '2026-01-31T09:30:00.250Z',
  finishedAt: '2026-01-31T09:30:02.750Z',
};
const row = {
  key: 'input/cat.jpg',
  etag: '5d41402abc4b2a76b9719d911017c592',
  model: 'resnet50',
  version: '1.0.4',
  predictions: [{ label: 'Egyptian_cat', index: 285, probability: 0.742113 }],
};

const speed = {
  where: 'a machine of two cores',
  source: 'documented: ResNet-50, TensorFlow, int8, two Zen 3 cores (AVX2)',
  engine: 'tensorflow',
  precision: 'int8',
  cores: 2,
  decodeSeconds: 0.005,
  inferenceSeconds: 0.039,
  batchSeconds: 0.035,
};

/** Examples of the routes of batch jobs. */
export const BATCH_EXAMPLES: Readonly<Record<string, Examples>> = {
  submitBatch: {
    request: {
      'application/json': {
        prefix: { summary: 'Every object under a prefix', value: { prefix: 'input/holiday/', topK: 3 } },
        objects: {
          summary: 'These objects, once however often it is sent',
          value: { objects: ['input/cat.jpg', 'input/broken.jpg'], idempotencyKey: 'holiday-2026' },
        },
      },
    },
    response: submitted,
  },
  listBatchJobs: { response: { jobs: [ended] } },
  getBatchJob: { response: ended },
  cancelBatchJob: {
    response: { ...ended, status: 'CANCELLED', reason: 'cancelled by request' },
  },
  planBatch: {
    response: {
      images: 1000,
      size: { width: 500, height: 375, bytes: 56_250 },
      speed: { here: speed, aws: speed },
      prices: { recordedOn: '2026-11-22', region: 'us-east-1', currency: 'USD' },
      estimates: [
        {
          where: 'a machine of two cores',
          seconds: 35,
          usd: null,
          arithmetic: ['time   1,000 images × 35 ms (28.6 images/s) = 35 s'],
        },
      ],
      notes: ['times on AWS leave out upload and cold starts'],
    },
  },
  getBatchResults: {
    response: `${JSON.stringify(row)}\n${JSON.stringify({
      key: 'input/broken.jpg',
      error: { code: 'UNREADABLE_IMAGE', message: 'the image cannot be decoded; it is cut off or damaged' },
    })}\n`,
  },
};
