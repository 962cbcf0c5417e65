import { createJobServices } from '../app/job-services.ts';
import { createLogger } from '../app/logger.ts';
import { createQueueHandler } from '../app/queue-handler.ts';
import { handleStartRequests } from '../batch/start-requests.ts';
import { loadConfig } from '../config/config.ts';
import { AppError } from '../domain/errors.ts';
import { openStartQueue } from '../jobs/create-queue.ts';

const config = loadConfig();
const logger = createLogger(config.LOG_LEVEL);
const services = load();

async function load() {
  const startQueue = await openStartQueue(config);
  if (!startQueue) {
    throw new AppError('INVALID_CONFIGURATION', 'START_QUEUE_URL is not set, or JOBS is not aws-batch');
  }
  return { startQueue, ...(await createJobServices(config, logger)) };
}

/**
 * AWS Lambda handler: plans and submits the recorded jobs that SQS messages name. The API sends these messages, because
 * Lambda freezes its process after the response.
 */
export const handler = createQueueHandler(
  async (event, { log, signal }) =>
    handleStartRequests(event, {
      ...(await services),
      ...(config.MAX_JOB_INPUTS === undefined ? {} : { maxJobInputs: config.MAX_JOB_INPUTS }),
      signal,
      onFault: (messageId, error) => log.error({ messageId, err: error }, 'job not started'),
    }),
  { config, logger, flush: async () => (await services).tracing.flush() },
);
