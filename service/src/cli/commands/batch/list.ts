import type { Command } from 'commander';
import {
  type Context,
  clientOf,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../../context.ts';
import { type BatchJob, renderJobs } from './jobs.ts';

/** Maximum page size of the service. */
const PAGE = 100;

interface ListOptions extends ServiceOptions {
  readonly limit: number;
  readonly json?: boolean;
}

/** `batch list` */
export function addList(batch: Command, context: Context): void {
  const command = batch
    .command('list')
    .summary('list the jobs')
    .description('Lists the jobs, newest first.')
    .option('-n, --limit <n>', 'number of jobs', wholeNumber(1, 10_000), 20)
    .option(...JSON_OPTION);
  withService(command).action((options: ListOptions) => list(context, options));
  withExamples(command, [
    ['ml-serverless batch list', 'the newest 20'],
    [
      'ml-serverless batch list --json | jq -r \'select(.status == "FAILED") | .jobId\'',
      'ids of failed jobs',
    ],
  ]);
}

async function list(context: Context, { limit, json, ...options }: ListOptions): Promise<void> {
  const { terminal } = context;
  const client = clientOf(context, options);
  const jobs: BatchJob[] = [];
  let cursor: string | undefined;
  do {
    const searchParams = { limit: Math.min(PAGE, limit - jobs.length), cursor };
    const page = await client.json<{ jobs: BatchJob[]; next?: string }>('/batch', 'jobs', { searchParams });
    jobs.push(...page.jobs);
    cursor = page.next;
  } while (cursor !== undefined && jobs.length < limit);
  if (json) {
    for (const job of jobs) await terminal.out(jsonLine(job));
  } else if (jobs.length === 0) {
    terminal.err(`no jobs yet; to submit one: ${context.invocation('batch', 'submit', 'photos/')}\n`);
  } else {
    await terminal.out(renderJobs(jobs, terminal));
    if (cursor !== undefined) terminal.err(`more jobs exist; --limit ${limit * 2} shows twice as many\n`);
  }
}
