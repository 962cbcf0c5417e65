import type { JobQueue } from '../jobs/job-queue.ts';
import type { StartQueue } from '../jobs/start-queue.ts';
import type { Metrics } from './metrics.ts';
import type { Tracing } from './tracing.ts';

/**
 * Counts and traces submissions. The worker gets the trace as the variable TRACEPARENT, not in the job's documents: their
 * bytes must not depend on tracing.
 */
export function observedQueue(queue: JobQueue, tracing: Tracing, metrics?: Metrics): JobQueue {
  return {
    isVolatile: queue.isVolatile ?? false,
    submit: (job) =>
      tracing.span(
        'submit job',
        { kind: 'producer', attributes: { 'job.id': job.jobId, 'job.shards': job.shards } },
        async ({ traceparent }) => {
          const environment = {
            ...job.environment,
            ...(traceparent === undefined ? {} : { TRACEPARENT: traceparent }),
          };
          const submitted = await queue.submit({ ...job, environment });
          metrics?.job('submitted');
          return submitted;
        },
      ),
    status: (reference) => queue.status(reference),
    cancel: (reference, reason) => queue.cancel(reference, reason),
    close: () => queue.close(),
  };
}

/** Adds the trace to each message, so that a job's planning is part of its request's trace. */
export function observedStartQueue(queue: StartQueue, tracing: Tracing): StartQueue {
  return {
    send: (request) =>
      tracing.span(
        'send job',
        { kind: 'producer', attributes: { 'job.id': request.jobId } },
        ({ traceparent }) =>
          queue.send({ ...request, ...(traceparent === undefined ? {} : { traceparent }) }),
      ),
    close: () => queue.close(),
  };
}
