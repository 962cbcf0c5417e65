import type { Command } from 'commander';
import type { Context } from '../../context.ts';
import { withExamples } from '../../context.ts';
import { addCancel } from './cancel.ts';
import { addList } from './list.ts';
import { addResults } from './results.ts';
import { addSubmit } from './submit.ts';
import { addWatch } from './watch.ts';

/** `batch submit|watch|results|list|cancel` */
export function addBatch(program: Command, context: Context): void {
  const batch = program
    .command('batch')
    .summary('classify many images as a job')
    .description('Classifies many images as a job, which the service runs in the background.');
  addSubmit(batch, context);
  addWatch(batch, context);
  addResults(batch, context);
  addList(batch, context);
  addCancel(batch, context);
  withExamples(batch, [
    ['ml-serverless batch submit photos/ --watch', 'upload a folder, watch the job'],
    ['ml-serverless batch submit input/holiday/', 'objects of the store by prefix'],
    ['ml-serverless batch results <jobId> --csv > results.csv', 'the results as a table'],
  ]);
}
