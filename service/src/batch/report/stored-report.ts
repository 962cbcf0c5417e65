import { isAppError } from '../../domain/errors.ts';
import { canRunAgain, type Job } from '../../domain/job/job.ts';
import { jobLayout } from '../../domain/job/job-layout.ts';
import { createObject } from '../documents.ts';
import type { JobFacts } from './page.ts';
import { makeReport, type ReportOptions } from './report.ts';

/**
 * The report of a job as HTML. The report of a job that cannot change any more is made once and then read.
 *
 * @throws AppError STORE_UNAVAILABLE
 */
export async function findReport(job: Job, facts: JobFacts, options: ReportOptions): Promise<string> {
  const { objects } = options;
  const key = jobLayout(job.jobId).report;
  const isFinal = facts.finishedAt !== undefined && !canRunAgain(facts.status, facts.counts);
  if (!isFinal) return makeReport(job, facts, options);
  try {
    return (await objects.get(key)).toString();
  } catch (error) {
    if (!isAppError(error, 'OBJECT_NOT_FOUND')) throw error;
  }
  const report = await makeReport(job, facts, options);
  await createObject(objects, key, report, 'text/html; charset=utf-8');
  return report;
}
