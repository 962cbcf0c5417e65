import { randomUUID } from 'node:crypto';
import { openJobServices } from '../app/job-services.ts';
import { createLogger } from '../app/logger.ts';
import type { DispatchResult } from '../batch/drop/dispatch.ts';
import { handleStartRequests } from '../batch/start-requests.ts';
import { loadConfig } from '../config/config.ts';
import { AppError } from '../domain/errors.ts';
import { openStartQueue } from '../jobs/create-queue.ts';
import { type InvocationContext, meterInvocations } from '../telemetry/meter-invocations.ts';

/** Kept free at the end of an invocation for the checkpoint and the answer, milliseconds. */
const RESERVE_MS = 20_000;
/** Without a context (outside AWS Lambda), milliseconds. */
const DEFAULT_TIME_MS = 15 * 60_000;

const config = loadConfig();
const logger = createLogger(config.LOG_LEVEL);
const opened = open();

async function open() {
  const startQueue = await openStartQueue(config);
  if (!startQueue) {
    throw new AppError('INVALID_CONFIGURATION', 'START_QUEUE_URL is not set, or JOBS is not aws-batch');
  }
  return { startQueue, ...(await openJobServices(config, logger)) };
}

const handle = meterInvocations(run, {
  functionName: config.AWS_LAMBDA_FUNCTION_NAME,
  read: ({ jobIds, batchItemFailures }: DispatchResult) => ({
    metrics: { Jobs: [jobIds.length, 'Count'], FailedMessages: [batchItemFailures.length, 'Count'] },
  }),
  flush: async () => (await opened).tracing.flush(),
});

async function run(event: unknown, context: InvocationContext | undefined): Promise<DispatchResult> {
  const services = await opened;
  const { awsRequestId: requestId = randomUUID() } = context ?? {};
  const log = logger.child({ requestId });
  const timeMs = context?.getRemainingTimeInMillis?.() ?? DEFAULT_TIME_MS;
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), Math.max(timeMs - RESERVE_MS, timeMs / 2));
  try {
    const result = await handleStartRequests(event, {
      ...services,
      ...(config.MAX_JOB_INPUTS === undefined ? {} : { maxJobInputs: config.MAX_JOB_INPUTS }),
      signal: ending.signal,
      onFault: (messageId, error) => log.error({ messageId, err: error }, 'job not started'),
    });
    log.info({ jobIds: result.jobIds, failed: result.batchItemFailures.length }, 'jobs started');
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * AWS Lambda handler: SQS messages that name recorded jobs in, planned and submitted jobs out. The API sends them, as
 * its own environment is frozen when it has answered. Answers with the messages that SQS is to deliver again.
 */
export async function handler(
  event: unknown,
  context?: InvocationContext,
): Promise<Pick<DispatchResult, 'batchItemFailures'>> {
  const { batchItemFailures } = await handle(event, context);
  return { batchItemFailures };
}
