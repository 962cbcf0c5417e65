import type { Logger } from 'pino';
import { type Config, workerEnvironment } from '../config/config.ts';
import { openQueue } from '../jobs/create-queue.ts';
import type { JobQueue } from '../jobs/job-queue.ts';
import { createStore } from '../storage/create-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { createTracing } from '../telemetry/create-tracing.ts';
import { observedQueue } from '../telemetry/observed-queue.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { WORKER_PROGRAM } from './worker-program.ts';

/** Services of the functions that create or start jobs: no model, no HTTP. */
export interface JobServices {
  readonly objects: ObjectStore;
  readonly queue: JobQueue;
  readonly tracing: Tracing;
}

export async function createJobServices(config: Config, logger: Logger): Promise<JobServices> {
  const objects = await createStore(config.STORE, config.S3_ENDPOINT);
  const tracing = await createTracing(config, logger);
  const queue = await openQueue({ ...config, worker: WORKER_PROGRAM }, workerEnvironment);
  return { objects, queue: observedQueue(queue, tracing), tracing };
}
