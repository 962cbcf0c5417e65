import type { Command } from 'commander';
import { resultHeader, resultLines } from '../../../domain/csv.ts';
import { plural } from '../../../domain/format.ts';
import {
  type Context,
  clientOf,
  jobIdsOf,
  type ServiceOptions,
  withExamples,
  withService,
} from '../../context.ts';
import { usageError } from '../../failure.ts';
import { startProgress } from '../../ui/progress.ts';
import { type BatchJob, getJob, hasEnded } from './jobs.ts';
import { readRows } from './rows.ts';

interface ResultsOptions extends ServiceOptions {
  readonly csv?: boolean;
  readonly json?: boolean;
  readonly failed?: boolean;
}

/** `batch results <jobId>` */
export function addResults(batch: Command, context: Context): void {
  const command = batch
    .command('results')
    .summary('print the results of jobs')
    .description(
      'Prints every row so far as JSON Lines: { key, etag, model, version, predictions }, or { key, error: { code, message } }.',
    )
    .argument('<jobIds...>', 'ids as printed by batch submit and batch list')
    .option('--csv', 'as CSV with a header, safe to open in a spreadsheet')
    .option('--failed', 'only the inputs that failed')
    .option('--json', 'JSON Lines: the default');
  withService(command).action((jobIds: string[], options: ResultsOptions) =>
    results(context, jobIds, options),
  );
  withExamples(command, [
    ['ml-serverless batch results <jobId> > results.jsonl', 'everything'],
    ['ml-serverless batch results <jobId> --csv > results.csv', 'for a spreadsheet'],
    ['ml-serverless batch results <jobId> --failed', 'failed inputs with reasons'],
  ]);
}

async function results(context: Context, given: readonly string[], options: ResultsOptions): Promise<void> {
  if (options.csv && options.json) throw usageError('give --csv or --json, not both');
  const { terminal, signal } = context;
  const client = clientOf(context, options);
  // Rows on a terminal need no progress bar.
  const quiet = terminal.isTerminal ? { ...terminal, live: undefined } : terminal;
  const progress = startProgress(quiet, { doing: 'reading results', total: 0, unit: 'images' });
  const jobs: BatchJob[] = [];
  let count = 0;
  try {
    // A job beyond the limit of inputs continues in another one.
    for (const jobIds = jobIdsOf(given); jobIds.length > 0; ) {
      const job = await getJob(client, jobIds.shift() as string);
      if (job.next !== undefined && !jobIds.includes(job.next)) jobIds.unshift(job.next);
      jobs.push(job);
    }
    const topK = Math.max(...jobs.map((job) => job.topK));
    const total = jobs.reduce((sum, { counts }) => sum + counts.total - counts.pending, 0);
    if (options.csv) await terminal.out(resultHeader(topK));
    for (const { jobId } of jobs) {
      const response = await client.request(`/batch/${jobId}/results`);
      for await (const { text, row } of readRows(response, signal)) {
        progress.update(++count, Math.max(total, count));
        if (options.failed && !row.error) continue;
        await terminal.out(options.csv ? resultLines([row], topK) : `${text}\n`);
      }
    }
  } finally {
    progress.stop();
  }
  const unfinished = jobs.filter((job) => !hasEnded(job));
  if (unfinished.length > 0) {
    const ids = unfinished.map(({ jobId }) => jobId);
    terminal.err(
      `${plural(count, 'row')} so far; the job is still running; to watch it: ${context.invocation('batch', 'watch', ...ids)}\n`,
    );
  }
}
