import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { formatCount } from '../../../domain/format.ts';
import type { ServiceClient } from '../../client/service-client.ts';
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
import { toCommandError } from '../../failure.ts';
import { startProgress } from '../../ui/progress.ts';
import { type BatchJob, exitOf, getJob, hasEnded, renderJobs, sumCounts } from './jobs.ts';

/** Between two polls of a job, in seconds; short at first, for short jobs. Workers report once a second. */
const FIRST_PAUSE = 0.3;
const MAX_PAUSE = 1;
/** Without a progress bar, a line is printed at this interval, in milliseconds. */
const LINE_EVERY_MS = 10_000;

interface WatchOptions extends ServiceOptions {
  readonly json?: boolean;
}

/** `batch watch <jobId…>` */
export function addWatch(batch: Command, context: Context): void {
  const command = batch
    .command('watch')
    .summary('watch jobs until they end')
    .description(
      'Shows the progress of jobs until they end. Ctrl-C stops watching; the jobs continue. With --json, prints a line per change.',
    )
    .argument('<jobIds...>', 'ids as printed by batch submit and batch list')
    .option(...JSON_OPTION);
  withService(command).action((jobIds: string[], options: WatchOptions) =>
    watch(context, clientOf(context, options), jobIdsOf(jobIds), options),
  );
  withExamples(command, [
    ['ml-serverless batch watch <jobId>', 'a progress bar, then the outcome'],
    ['ml-serverless batch watch <jobId> && echo done', 'status 1 if an input failed'],
  ]);
}

/** Polls jobs and their continuations until all have ended, then prints them and sets the exit status. */
export async function watch(
  context: Context,
  client: ServiceClient,
  jobIds: readonly string[],
  { json = false }: { readonly json?: boolean },
): Promise<void> {
  const { terminal, signal } = context;
  const jobs = new Map<string, BatchJob | undefined>(jobIds.map((jobId) => [jobId, undefined]));
  const progress = startProgress(terminal, { doing: 'classifying', total: 0, unit: 'images' });
  let lastLine = Date.now();
  try {
    for (let seconds = FIRST_PAUSE; ; seconds = Math.min(MAX_PAUSE, seconds * 1.3)) {
      for (const [jobId, before] of jobs) {
        if (before && hasEnded(before)) continue;
        const job = await getJob(client, jobId, before !== undefined);
        jobs.set(jobId, job);
        if (job.next !== undefined && !jobs.has(job.next)) jobs.set(job.next, undefined);
        if (json && JSON.stringify(job) !== JSON.stringify(before)) await terminal.out(jsonLine(job));
      }
      const seen = [...jobs.values()].filter((job) => job !== undefined);
      const { total, pending } = sumCounts(seen);
      progress.update(total - pending, total);
      if (seen.length === jobs.size && seen.every(hasEnded)) break;
      if (!terminal.live && !json && Date.now() - lastLine > LINE_EVERY_MS) {
        terminal.err(`${formatCount(total - pending)} of ${formatCount(total)} done\n`);
        lastLine = Date.now();
      }
      await delay(seconds * 1000, undefined, { signal });
    }
  } catch (error) {
    progress.stop();
    if (signal.aborted) {
      const again = context.invocation('batch', 'watch', ...jobIds);
      terminal.err(`the job continues; to watch it again: ${again}\n`);
    }
    throw toCommandError(signal.aborted ? signal.reason : error);
  }
  progress.stop();
  const ended = [...jobs.values()].filter((job) => job !== undefined);
  if (!json) {
    await terminal.out(renderJobs(ended, terminal));
    terminal.err(
      `\n  ${terminal.errColours.dim('results:')} ${context.invocation('batch', 'results', ...jobs.keys())}\n`,
    );
  }
  context.exit(exitOf(ended));
}
