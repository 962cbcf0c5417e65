import type { Command } from 'commander';
import {
  type Context,
  clientOf,
  JSON_OPTION,
  jobIdsOf,
  jsonLine,
  type ServiceOptions,
  withExamples,
  withService,
} from '../../context.ts';
import { type BatchJob, renderJobs } from './jobs.ts';

interface CancelOptions extends ServiceOptions {
  readonly json?: boolean;
}

/** `batch cancel <jobId…>` */
export function addCancel(batch: Command, context: Context): void {
  const command = batch
    .command('cancel')
    .summary('cancel jobs')
    .description('Cancels jobs. Finished results remain; a job that has ended is not changed.')
    .argument('<jobIds...>', 'ids as printed by batch submit and batch list')
    .option(...JSON_OPTION);
  withService(command).action((jobIds: string[], options: CancelOptions) => cancel(context, jobIds, options));
  withExamples(command, [['ml-serverless batch cancel <jobId>', 'end a job early']]);
}

async function cancel(context: Context, given: readonly string[], { json, ...options }: CancelOptions) {
  const { terminal } = context;
  const jobIds = jobIdsOf(given);
  const client = clientOf(context, options);
  const jobs: BatchJob[] = [];
  for (const jobId of jobIds) {
    const job = await client.json<BatchJob>(`/batch/${jobId}`, 'jobId', { method: 'DELETE' });
    jobs.push(job);
    if (json) await terminal.out(jsonLine(job));
  }
  if (!json) await terminal.out(renderJobs(jobs, terminal));
}
