import { finalState, shardPlanSchema } from '../../domain/job/job.ts';
import { jobLayout } from '../../domain/job/job-layout.ts';
import { readDocument } from '../documents.ts';
import { findReport } from '../report/stored-report.ts';
import { writeResultFiles } from '../results/files.ts';
import { countMarkers } from '../status.ts';
import type { WorkOptions } from './work-options.ts';

/**
 * Writes the result files of a job with `results: rows`, and the report of such a job and of every request, if every
 * shard has its marker. A worker calls it after its own marker, so the last one sees all of them; two workers at once
 * write the same files. If the worker dies, its next attempt calls it again.
 *
 * @returns false if the worker was stopped before the files were complete
 * @throws AppError STORE_UNAVAILABLE
 */
export async function finishJob(
  options: Pick<WorkOptions, 'objects' | 'job' | 'stop' | 'progress' | 'thumbnail' | 'maxImageBytes'>,
): Promise<boolean> {
  const { objects, job, stop, progress, thumbnail, maxImageBytes } = options;
  const hasFiles = job.results === 'rows';
  // A drop has many small jobs; GET makes their reports.
  if (!hasFiles && job.origin !== 'request') return true;
  const layout = jobLayout(job.jobId);
  const plan = await readDocument(objects, layout.plan, shardPlanSchema);
  const { found, succeeded, failed, lastAt } = await countMarkers(objects, layout.shardMarkers);
  if (!plan || found < plan.shards) return true;
  const counts = { total: plan.total, succeeded, failed, pending: plan.total - succeeded - failed };
  const facts = { status: finalState(counts), counts, finishedAt: lastAt?.toISOString() };
  const onProgress = progress?.done;
  try {
    stop.throwIfAborted();
    if (hasFiles) await writeResultFiles({ objects, job, signal: stop, onProgress });
    // Last: the job has ended, whatever happens to its report.
    await findReport(job, facts, { objects, thumbnail, maxImageBytes, signal: stop, onProgress });
    return true;
  } catch (error) {
    if (stop.aborted) return false;
    throw error;
  }
}
