/**
 * A worker process that starts in a fraction of a second, for tests that kill many: the worker's own code (reading the
 * shard, decoding, batching, outputs, chunks, markers), with arithmetic on the pixels instead of the network.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageManifest } from '../../../models/manifest.ts';
import { readJob } from '../../src/batch/job-records.ts';
import { workShard } from '../../src/batch/worker/shard.ts';
import { parseJobUri } from '../../src/domain/job/job-layout.ts';
import { createClassifier } from '../../src/inference/image/classifier.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';

const { JOB_URI = '', MODELS_DIR = '', AWS_BATCH_JOB_ARRAY_INDEX = '0' } = process.env;
const { storeUri, jobId } = parseJobUri(JOB_URI);
const manifest = JSON.parse(readFileSync(join(MODELS_DIR, 'tiny', 'manifest.json'), 'utf8')) as ImageManifest;
if (!('classes' in manifest.output)) throw new Error('the tiny model classifies');
const { classes } = manifest.output;

const objects = await createFileStore(storeUri);
const classifier = createClassifier({
  manifest,
  labels: Array.from({ length: classes }, (_, index) => `class ${index}`),
  engine: {
    status: { engine: 'wasm', precision: 'float32' },
    ready: true,
    allocate: (length) => new Uint8Array(length),
    async infer(input, size) {
      const rows = new Float32Array(size * classes);
      const pixels = input.length / size;
      for (let i = 0; i < size * pixels; i++) {
        // By the position in its picture: the other pictures of a batch must not matter.
        const at = Math.floor(i / pixels) * classes + ((i % pixels) % classes);
        rows[at] = (rows[at] ?? 0) + Math.abs(input[i] ?? 0) / pixels;
      }
      return rows;
    },
    explain: async () => {
      throw new Error('not asked for here');
    },
    close: async () => {},
  },
  maxPixels: 1_000_000,
  maxBatch: 8,
  maxBatchDelayMs: 1,
  maxQueue: 64,
  decoders: 2,
  fixedBatch: true,
});
const { done } = await workShard({
  objects,
  classifier,
  job: await readJob(objects, jobId),
  shard: Number(AWS_BATCH_JOB_ARRAY_INDEX),
  concurrency: 24,
  maxBytesInFlight: 16 * 1024 * 1024,
  maxImageBytes: 1024 * 1024,
  stop: new AbortController().signal,
  graceMs: 1_000,
});
process.exit(done ? 0 : 1);
