import { randomUUID } from 'node:crypto';
import { openJobServices } from '../app/job-services.ts';
import { createLogger } from '../app/logger.ts';
import { type Batch, createBatch } from '../batch/batch.ts';
import { type DispatchResult, dispatch } from '../batch/drop/dispatch.ts';
import { loadConfig } from '../config/config.ts';
import { createJobPrecision } from '../inference/job-precision.ts';
import { type InvocationContext, meterInvocations } from '../telemetry/meter-invocations.ts';

/** How many classes a dropped picture gets; a request says it for itself. */
const TOP_K = 5;

/** Planning and submitting have to be over when the handler returns: Lambda freezes what goes on behind it. */
const START_WITHIN_MS = 15 * 60_000;

const config = loadConfig();
const logger = createLogger(config.LOG_LEVEL);
const opened = open();

async function open() {
  const { objects, queue, tracing } = await openJobServices(config, logger);
  const batch: Batch = createBatch({
    objects,
    queue,
    shardSize: config.SHARD_SIZE,
    chunkSize: config.CHUNK_SIZE,
    precisionOf: createJobPrecision(config),
    startWithinMs: START_WITHIN_MS,
    onError: (error, jobId) => logger.error({ err: error, jobId }, 'job not started'),
  });
  return { batch, objects, tracing };
}

const handle = meterInvocations(run, {
  functionName: config.AWS_LAMBDA_FUNCTION_NAME,
  read: ({ jobIds, batchItemFailures }: DispatchResult) => ({
    metrics: { Jobs: [jobIds.length, 'Count'], FailedMessages: [batchItemFailures.length, 'Count'] },
  }),
  flush: async () => (await opened).tracing.flush(),
});

async function run(event: unknown, context: InvocationContext | undefined): Promise<DispatchResult> {
  const { batch, objects, tracing } = await opened;
  const { awsRequestId: requestId = randomUUID() } = context ?? {};
  const log = logger.child({ requestId });
  return tracing.span('dispatch', { kind: 'consumer', attributes: { 'request.id': requestId } }, async () => {
    const result = await dispatch(event, {
      batch,
      objects,
      model: config.MODEL,
      topK: TOP_K,
      onFault: (messageId, reason) => log.error({ messageId, reason }, 'message not handled'),
    });
    log.info({ jobIds: result.jobIds, failed: result.batchItemFailures.length }, 'event dispatched');
    return result;
  });
}

/**
 * AWS Lambda handler: S3 events in (directly, from EventBridge, or in SQS messages), jobs out. Loads no model.
 * Answers with the messages that SQS is to deliver again.
 */
export async function handler(
  event: unknown,
  context?: InvocationContext,
): Promise<Pick<DispatchResult, 'batchItemFailures'>> {
  const { batchItemFailures } = await handle(event, context);
  return { batchItemFailures };
}
