/** Runs inside the image: puts three inputs into the volume /data, plans a job over them, and prints it without starting it. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createBatch } from '../../../src/batch/batch.ts';
import type { JobSubmission } from '../../../src/jobs/job-queue.ts';
import { createStore } from '../../../src/storage/create-store.ts';

mkdirSync('/data/input', { recursive: true });
for (const name of ['pumpkin.jpg', 'balloon.jpg'])
  copyFileSync(`/app/models/resnet50/samples/${name}`, `/data/input/${name}`);
writeFileSync('/data/input/broken.jpg', 'no picture');

let submission: JobSubmission | undefined;
const batch = createBatch({
  objects: await createStore('file:/data'),
  queue: {
    submit: async (job) => {
      submission = job;
      return { reference: job.jobId };
    },
    status: async () => undefined,
    cancel: async () => {},
    close: async () => {},
  },
  shardSize: 100,
  chunkSize: 2,
  startWithinMs: 60_000,
  onError: (error) => {
    throw error;
  },
});
await batch.create({
  jobId: 'image-test',
  origin: 'request',
  source: { kind: 'prefix', prefix: 'input/' },
  model: 'resnet50',
  topK: 3,
});
console.log(JSON.stringify(submission));
process.exit();
