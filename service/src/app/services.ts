import { createDrop } from '../batch/drop/drop.ts';
import { createRetention } from '../batch/retention.ts';
import { type Config, parseKeys } from '../config/config.ts';
import { createByteBudget } from '../domain/byte-budget.ts';
import type { Services } from '../http/services.ts';
import { createThumbnailer } from '../inference/image/thumbnail.ts';
import { createModels } from '../inference/models.ts';
import { openStartQueue } from '../jobs/create-queue.ts';
import { createStore } from '../storage/create-store.ts';
import { readSecret } from '../storage/secrets.ts';
import { createTracing } from '../telemetry/create-tracing.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { observedStartQueue } from '../telemetry/observed-queue.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { createJobServices, createJobs } from './job-services.ts';
import { createLogger } from './logger.ts';

/** How long POST /batch waits for a job to be planned and submitted before it answers, in milliseconds. */
const BATCH_START_WITHIN_MS = 10_000;

/** A worker infers at least this many images together. Larger batches are hardly faster. */
const WORKER_BATCH = 16;

/**
 * The services of a server or a Lambda function. Models load in the background (`models.loaded`); `startBackground` starts
 * what only a server does.
 */
export async function createServices(
  given: Config,
  logger = createLogger(given.LOG_LEVEL),
): Promise<Required<Services> & { startBackground(): Promise<void> }> {
  const config = await withSecrets(given);
  const metrics = createMetrics();
  const jobs = await createJobServices(config, logger, metrics);
  const { objects, queue, tracing } = jobs;
  const decodeMemory = createByteBudget(config.DECODE_MEMORY_MB * 2 ** 20);
  const models = await createModels(config, logger, {
    openBucket: bucketOpener(config),
    onBatch: metrics.batch,
    tracing,
    decodeMemory,
  });
  const thumbnail = createThumbnailer({ maxPixels: config.MAX_IMAGE_PIXELS, memory: decodeMemory });
  const startQueue = await openStartQueue(config);
  const limits = {
    startQueue: startQueue && observedStartQueue(startQueue, tracing),
    maxJobInputs: config.MAX_JOB_INPUTS,
    maxJobsPerDay: config.MAX_JOBS_PER_DAY,
    startWithinMs: BATCH_START_WITHIN_MS,
    thumbnail,
  };
  const batch = createJobs(jobs, config, logger, limits, models);
  const retention = createRetention({ objects, batch, logger, days: config.JOB_RETENTION_DAYS });
  const drop = createDrop({ config, objects, batch, logger, model: models.defaultName });
  return {
    config,
    logger,
    models,
    objects,
    batch,
    thumbnail,
    metrics,
    tracing,
    async startBackground() {
      // The local queue loses its jobs when its process ends; AWS Batch keeps them.
      const unfinished = config.JOBS === 'local' ? await batch.resume() : [];
      if (unfinished.length > 0) logger.info({ jobs: unfinished.length }, 'unfinished jobs resumed');
      await drop.start(unfinished);
      // A bucket at AWS has a lifecycle rule, and perhaps other users: do not remove anything from it.
      const isOwnStore = objects.watch !== undefined || config.S3_ENDPOINT !== undefined;
      if (config.JOBS === 'local' && isOwnStore) retention.start();
    },
    close: async () => {
      await drop.close();
      await retention.close();
      await batch.close();
      await queue.close();
      await startQueue?.close();
      await models.close();
      await tracing.close();
    },
  };
}

/** The services of a worker: a store, and models whose results do not depend on which images share a batch. */
export async function createWorkerServices(
  given: Config,
  logger = createLogger(given.LOG_LEVEL),
): Promise<Services & { readonly tracing: Tracing }> {
  const config = { ...given, MAX_BATCH: Math.max(given.MAX_BATCH, WORKER_BATCH) };
  const tracing = await createTracing(config, logger);
  const objects = await createStore(config.STORE, config.S3_ENDPOINT);
  // Models get no tracing: the spans of a worker end at its chunks, as one per image would be a million.
  const models = await createModels(config, logger, { fixedBatch: true, openBucket: bucketOpener(config) });
  // When a worker makes the report, it decodes nothing else.
  const memory = createByteBudget(config.DECODE_MEMORY_MB * 2 ** 20);
  const thumbnail = createThumbnailer({ maxPixels: config.MAX_IMAGE_PIXELS, memory });
  const close = async () => {
    await models.close();
    await tracing.close();
  };
  return { config, logger, models, objects, thumbnail, tracing, close };
}

/** Opens the bucket that holds a model's files, as the same kind of store as STORE. */
const bucketOpener = (config: Config) => (uri: string) => createStore(uri, config.S3_ENDPOINT);

/** Adds the keys of a secret, which fewer people can read than the environment. @throws AppError INVALID_CONFIGURATION */
async function withSecrets(config: Config): Promise<Config> {
  const { API_KEYS_SECRET_ARN: arn } = config;
  if (arn === undefined) return config;
  const keys = parseKeys(await readSecret(arn), `the secret ${arn}`);
  return { ...config, API_KEYS: [...config.API_KEYS, ...keys] };
}
