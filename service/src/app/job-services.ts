import type { Logger } from 'pino';
import { type Batch, type BatchOptions, createBatch } from '../batch/batch.ts';
import type { Config } from '../config/config.ts';
import { workerEnvironment } from '../config/worker.ts';
import type { Models } from '../domain/classifier.ts';
import { createJobPrecision } from '../inference/job-precision.ts';
import { openQueue } from '../jobs/create-queue.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import { createStore } from '../storage/create-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createTracing } from '../telemetry/create-tracing.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { observedQueue } from '../telemetry/observed-queue.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { WORKER_PROGRAM } from './worker-program.ts';

/** The adapters behind the ports that jobs need. */
export interface JobServices {
  readonly objects: ObjectStore;
  readonly queue: JobQueue;
  readonly tracing: Tracing;
}

/** Imports neither a model nor HTTP: this is all that the dispatcher and the starter bundle. */
export async function createJobServices(
  config: Config,
  logger: Logger,
  metrics?: Metrics,
): Promise<JobServices> {
  const objects = await createStore(config.STORE, config.S3_ENDPOINT, config.S3_PUBLIC_ENDPOINT);
  const tracing = await createTracing(config, logger);
  const queue = await openQueue({ ...config, worker: WORKER_PROGRAM }, workerEnvironment, {
    onRows: (rows) => metrics?.rows(rows),
    onEnd: (end) => metrics?.job(end),
    onFailedAttempt: (attempt) => logger.warn(attempt, 'a worker ended before its shard was done'),
  });
  return { objects, tracing, queue: observedQueue(queue, tracing, metrics) };
}

/** Jobs over these services, sized by the configuration. */
export function createJobs(
  { objects, queue }: JobServices,
  config: Config,
  logger: Logger,
  options: Pick<
    BatchOptions,
    'startWithinMs' | 'startQueue' | 'maxJobInputs' | 'maxJobsPerDay' | 'thumbnail'
  >,
  models?: Models,
): Batch {
  return createBatch({
    objects,
    queue,
    shardSize: config.SHARD_SIZE,
    chunkSize: config.CHUNK_SIZE,
    maxImageBytes: config.MAX_IMAGE_BYTES,
    precisionOf: createJobPrecision(config, models),
    onError: (error, jobId) =>
      logger.error({ err: error, jobId }, 'job not started; the next status request tries again'),
    ...options,
  });
}
