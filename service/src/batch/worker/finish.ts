import { shardPlanSchema } from '../../domain/job/job.ts';
import { jobLayout, parseMarker } from '../../domain/job/job-layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { readDocument } from '../documents.ts';
import { writeResultFiles } from '../results/files.ts';
import type { WorkOptions } from './work-options.ts';

type FinishOptions = Pick<WorkOptions, 'objects' | 'job' | 'stop' | 'progress'>;

/**
 * Writes the result files of a job with `results: rows` if every shard has its marker. A worker calls it after its own
 * marker, so the last one sees all of them; two workers at once write the same files. If the worker dies, its next
 * attempt calls it again.
 *
 * @returns false if the worker was stopped before the files were complete
 * @throws AppError STORE_UNAVAILABLE
 */
export async function finishJob({ objects, job, stop, progress }: FinishOptions): Promise<boolean> {
  if (job.results !== 'rows' || !(await hasAllShards(objects, job.jobId))) return true;
  try {
    stop.throwIfAborted();
    await writeResultFiles({ objects, job, signal: stop, onProgress: progress?.done });
    return true;
  } catch (error) {
    if (stop.aborted) return false;
    throw error;
  }
}

async function hasAllShards(objects: ObjectStore, jobId: string): Promise<boolean> {
  const layout = jobLayout(jobId);
  const plan = await readDocument(objects, layout.plan, shardPlanSchema);
  const found = new Set<string>();
  for await (const { key } of objects.list(layout.shardMarkers)) {
    const marker = parseMarker(key);
    if (marker) found.add(marker.id);
  }
  return plan !== undefined && found.size === plan.shards;
}
