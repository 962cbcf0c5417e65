import { type Batch, createBatch } from './batch/batch.ts';
import { type DispatchResult, dispatch } from './batch/dispatch.ts';
import { loadConfig, workerEnvironment } from './config.ts';
import { openQueue } from './jobs/open-queue.ts';
import { createLogger } from './logger.ts';
import { openStore } from './storage/open-store.ts';

/** How many classes a dropped picture gets; a request says it for itself. */
const TOP_K = 5;

/** Planning and submitting have to be over when the handler returns: Lambda freezes what goes on behind it. */
const START_WITHIN_MS = 15 * 60_000;

const config = loadConfig();
const logger = createLogger(config.LOG_LEVEL);
const opened = open();

async function open() {
  const objects = await openStore(config.STORE, config.S3_ENDPOINT);
  const queue = await openQueue(config, workerEnvironment);
  const batch: Batch = createBatch({
    objects,
    queue,
    shardSize: config.SHARD_SIZE,
    chunkSize: config.CHUNK_SIZE,
    startWithinMs: START_WITHIN_MS,
    onError: (error, jobId) => logger.error({ err: error, jobId }, 'job not started'),
  });
  return { batch, objects };
}

/**
 * AWS Lambda handler: S3 events in (directly, from EventBridge, or in SQS messages), jobs out. Loads no model.
 * Answers with the messages that SQS is to deliver again.
 */
export async function handler(event: unknown): Promise<Pick<DispatchResult, 'batchItemFailures'>> {
  const { batch, objects } = await opened;
  const { jobIds, batchItemFailures } = await dispatch(event, {
    batch,
    objects,
    model: config.MODEL,
    topK: TOP_K,
    onFault: (messageId, reason) => logger.error({ messageId, reason }, 'message not handled'),
  });
  logger.info({ jobIds, failed: batchItemFailures.length }, 'event dispatched');
  return { batchItemFailures };
}
