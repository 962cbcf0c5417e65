import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { DispatchResult } from '../batch/drop/dispatch.ts';
import type { Config } from '../config/config.ts';
import { type InvocationContext, meterInvocations } from '../telemetry/meter-invocations.ts';

/** Reserved at the end of an invocation for the checkpoint and the response, in ms. */
const RESERVE_MS = 20_000;
/** Duration of an invocation outside AWS Lambda, in ms. */
const DEFAULT_DURATION_MS = 15 * 60_000;

export interface Invocation {
  readonly requestId: string;
  /** Adds the request id to each line. */
  readonly log: Logger;
  /** Aborts 20 s before the invocation ends; halfway through an invocation of less than 40 s. */
  readonly signal: AbortSignal;
}

export interface QueueHandlerOptions {
  readonly config: Pick<Config, 'AWS_LAMBDA_FUNCTION_NAME'>;
  readonly logger: Logger;
  /** Runs before each response, since AWS Lambda then freezes the process. */
  readonly flush: () => Promise<void>;
}

/** Responds with the messages that SQS is to deliver again. */
export type QueueHandler = (
  event: unknown,
  context?: InvocationContext,
) => Promise<Pick<DispatchResult, 'batchItemFailures'>>;

/** An AWS Lambda handler of events that create or start jobs, with a deadline, metrics and a log line per invocation. */
export function createQueueHandler(
  run: (event: unknown, invocation: Invocation) => Promise<DispatchResult>,
  { config, logger, flush }: QueueHandlerOptions,
): QueueHandler {
  async function runUntilDeadline(event: unknown, context: InvocationContext | undefined) {
    const { awsRequestId: requestId = randomUUID() } = context ?? {};
    const log = logger.child({ requestId });
    const durationMs = context?.getRemainingTimeInMillis?.() ?? DEFAULT_DURATION_MS;
    const ending = new AbortController();
    const timer = setTimeout(() => ending.abort(), Math.max(durationMs - RESERVE_MS, durationMs / 2));
    try {
      const result = await run(event, { requestId, log, signal: ending.signal });
      log.info({ jobIds: result.jobIds, failed: result.batchItemFailures.length }, 'event processed');
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  const handle = meterInvocations(runUntilDeadline, {
    functionName: config.AWS_LAMBDA_FUNCTION_NAME,
    read: ({ jobIds, batchItemFailures }: DispatchResult) => ({
      metrics: { Jobs: [jobIds.length, 'Count'], FailedMessages: [batchItemFailures.length, 'Count'] },
    }),
    flush,
  });
  return async (event, context) => {
    const { batchItemFailures } = await handle(event, context);
    return { batchItemFailures };
  };
}
