import type { Parameters } from './parameters.ts';

/**
 * What the functions that make jobs are told of their limits. Without authentication nobody makes or cancels a job by
 * a request, unless `anonymousBatch` allows it.
 */
export function jobLimits({
  auth,
  anonymousBatch,
  maxJobInputs,
  maxJobsPerDay,
}: Pick<Parameters, 'auth' | 'anonymousBatch' | 'maxJobInputs' | 'maxJobsPerDay'>): Readonly<
  Record<string, string>
> {
  return {
    MAX_JOB_INPUTS: String(maxJobInputs),
    MAX_JOBS_PER_DAY: String(maxJobsPerDay),
    ...(auth === 'none' && !anonymousBatch ? { BATCH_REQUESTS: 'off' } : {}),
  };
}
