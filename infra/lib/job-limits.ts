import type { Parameters } from './parameters.ts';

/**
 * Job limits, as settings of the functions that create jobs. Without authentication, requests cannot create or cancel jobs
 * unless `anonymousBatch` allows it.
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
