import { createBatch } from '../batch/batch.ts';
import { createDrop } from '../batch/drop/drop.ts';
import { createRetention } from '../batch/retention.ts';
import { type Config, parseKeys, workerEnvironment } from '../config/config.ts';
import type { Services } from '../http/services.ts';
import { createJobPrecision } from '../inference/job-precision.ts';
import { createModels } from '../inference/models.ts';
import { openQueue, openStartQueue } from '../jobs/create-queue.ts';
import { createStore } from '../storage/create-store.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { readSecret } from '../storage/secrets.ts';
import { createTracing } from '../telemetry/create-tracing.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { observedQueue, observedStartQueue } from '../telemetry/observed-queue.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { createLogger } from './logger.ts';
import { WORKER_PROGRAM } from './worker-program.ts';

/**
 * The composition root: the one place that knows which adapter stands behind each port.
 * The models load behind it (`models.ready`); `startBackground` begins what only a server does.
 */
export async function createServices(
  given: Config,
  logger = createLogger(given.LOG_LEVEL),
): Promise<Required<Services> & { startBackground(): Promise<void> }> {
  const config = await withSecrets(given);
  const objects = await createStore(config.STORE, config.S3_ENDPOINT);
  const metrics = createMetrics();
  const tracing = await createTracing(config, logger);
  const models = await createModels(config, logger, {
    openBucket: bucketOpener(config),
    onBatch: metrics.batch,
    tracing,
  });
  const opened = await openQueue({ ...config, worker: WORKER_PROGRAM }, workerEnvironment, {
    onRows: metrics.rows,
    onEnd: metrics.job,
    onFailedAttempt: (attempt) => logger.warn(attempt, 'a worker ended without having done its shard'),
  });
  const queue = observedQueue(opened, tracing, metrics);
  const startQueue = await openStartQueue(config);
  const batch = createBatch({
    objects,
    queue,
    startQueue: startQueue && observedStartQueue(startQueue, tracing),
    maxJobInputs: config.MAX_JOB_INPUTS,
    maxJobsPerDay: config.MAX_JOBS_PER_DAY,
    shardSize: config.SHARD_SIZE,
    chunkSize: config.CHUNK_SIZE,
    precisionOf: createJobPrecision(config, models),
    startWithinMs: BATCH_START_WITHIN_MS,
    onError: (error, jobId) =>
      logger.error({ err: error, jobId }, 'job not started; the next status request tries again'),
  });
  const retention = createRetention({ objects, batch, logger, days: config.JOB_RETENTION_DAYS });
  const drop = createDrop({ config, objects, batch, logger, model: models.defaultName });
  return {
    config,
    logger,
    models,
    objects,
    batch,
    metrics,
    tracing,
    async startBackground() {
      // AWS Batch goes on by itself; the local queue forgot its jobs when its process ended.
      const unfinished = config.JOBS === 'local' ? await batch.resume() : [];
      if (unfinished.length > 0) logger.info({ jobs: unfinished.length }, 'unfinished jobs go on');
      await drop.start(unfinished);
      // A bucket at AWS has its lifecycle, and perhaps other users: what is in it is not this process's to remove.
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

/** How long POST /batch waits for a job to be planned and submitted before it answers, in milliseconds. */
const BATCH_START_WITHIN_MS = 10_000;

/** What a worker needs: a store and a model whose results do not depend on which images share a batch. */
export async function createWorkerServices(
  given: Config,
  logger = createLogger(given.LOG_LEVEL),
): Promise<Services & { readonly objects: ObjectStore; readonly tracing: Tracing }> {
  const config = forWorker(given);
  const tracing = await createTracing(config, logger);
  const objects = await createStore(config.STORE, config.S3_ENDPOINT);
  // Its traces end at the chunks: a span for each of a million pictures would tell nobody anything.
  const models = await createModels(config, logger, {
    fixedBatch: true,
    openBucket: bucketOpener(config),
  });
  const close = async () => {
    await models.close();
    await tracing.close();
  };
  return { config, logger, models, objects, tracing, close };
}

/** Images a worker infers together at least: larger batches are hardly faster. */
const WORKER_BATCH = 16;

const forWorker = (config: Config): Config => ({
  ...config,
  MAX_BATCH: Math.max(config.MAX_BATCH, WORKER_BATCH),
});

/** Where models whose files lie in a bucket are fetched from: the same kind of store as STORE. */
const bucketOpener = (config: Config) => (uri: string) => createStore(uri, config.S3_ENDPOINT);

/** Keys can be in a secret instead of in the environment, which more people can read. @throws AppError INVALID_CONFIGURATION */
async function withSecrets(config: Config): Promise<Config> {
  const { API_KEYS_SECRET_ARN: arn } = config;
  if (arn === undefined) return config;
  const keys = parseKeys(await readSecret(arn), `the secret ${arn}`);
  return { ...config, API_KEYS: [...config.API_KEYS, ...keys] };
}
