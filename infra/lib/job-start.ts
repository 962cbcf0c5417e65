import { Duration } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { jobLimits } from './job-limits.ts';
import type { Parameters } from './parameters.ts';
import {
  commonFunctionProps,
  createBundledFunction,
  createWorkQueue,
  type ServiceFunctionProps,
} from './service-function.ts';

export interface JobStartProps extends ServiceFunctionProps {
  readonly parameters: Parameters;
  /** The starter's code, an ES module `index.mjs` with `handler`. */
  readonly code: lambda.Code;
  /** Gets messages that no invocation could process. */
  readonly deadLetters: sqs.Queue;
}

/** Lambda's maximum; a job that needs more continues with another message. */
const TIMEOUT = Duration.minutes(15);

/** POST /batch -> queue (and dead letters) -> starter, which plans the job and submits it. */
export class JobStart extends Construct {
  readonly queue: sqs.Queue;
  readonly starter: lambda.Function;

  constructor(scope: Construct, id: string, props: JobStartProps) {
    super(scope, id);
    const { parameters, code, store, workers, deadLetters } = props;
    // An invocation takes one message and starts at once, so its timeout and a minute are enough.
    this.queue = createWorkQueue(this, 'Starts', TIMEOUT.plus(Duration.minutes(1)), deadLetters);

    const common = commonFunctionProps(this, props);
    const { role } = common;
    const documents = (...names: string[]) => names.map((name) => `jobs/*/${name}.json`);
    store.grantUse(role, {
      read: ['input/*', 'jobs/*', 'uploads/*'],
      write: [
        'jobs/.index/*',
        'jobs/*/shards/*',
        ...documents('job', 'planning', 'plan', 'submitted', 'cancelled', 'summary'),
      ],
      // The record of a job without inputs is removed; a job that runs again loses its receipt and its summary.
      remove: ['jobs/.index/*', ...documents('job', 'submitted', 'summary')],
    });
    workers.grantSubmit(role);
    workers.grantWatch(role);
    workers.grantCancel(role);
    this.grantSend(role);

    this.starter = createBundledFunction(this, 'Starter', {
      common,
      description: 'ml-serverless: plans and submits recorded jobs',
      code,
      timeout: TIMEOUT,
      environment: { START_QUEUE_URL: this.queue.queueUrl, ...jobLimits(parameters) },
    });
    this.starter.addEventSource(
      new SqsEventSource(this.queue, { batchSize: 1, maxConcurrency: 5, reportBatchItemFailures: true }),
    );
  }

  /** CDK's own grant also allows reading the queue. */
  grantSend(role: iam.IRole): void {
    role.addToPrincipalPolicy(
      new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [this.queue.queueArn] }),
    );
  }
}
