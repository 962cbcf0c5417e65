import { createJobServices, createJobs } from '../app/job-services.ts';
import { createLogger } from '../app/logger.ts';
import { createQueueHandler } from '../app/queue-handler.ts';
import { dispatch } from '../batch/drop/dispatch.ts';
import { loadConfig } from '../config/config.ts';

/** Longer than any invocation: Lambda freezes background work when the handler returns. */
const START_WITHIN_MS = 15 * 60_000;

const config = loadConfig();
const logger = createLogger(config.LOG_LEVEL);
const services = load();

async function load() {
  const jobs = await createJobServices(config, logger);
  return { ...jobs, batch: createJobs(jobs, config, logger, { startWithinMs: START_WITHIN_MS }) };
}

/** AWS Lambda handler: S3 events (direct, from EventBridge, or in SQS messages) become jobs. Loads no model. */
export const handler = createQueueHandler(
  async (event, { requestId, log }) => {
    const { batch, objects, tracing } = await services;
    const attributes = { 'request.id': requestId };
    return tracing.span('dispatch', { kind: 'consumer', attributes }, () =>
      dispatch(event, {
        batch,
        objects,
        model: config.MODEL,
        onFault: (messageId, reason) => log.error({ messageId, reason }, 'message not handled'),
      }),
    );
  },
  { config, logger, flush: async () => (await services).tracing.flush() },
);
