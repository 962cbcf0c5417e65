import { Duration, Size } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { BatchWorkers } from './batch-workers.ts';
import { acknowledgeOutsideVpc, createFunctionRole } from './function-role.ts';
import { jobLimits } from './job-limits.ts';
import { createLogGroup } from './log-group.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { Store } from './store.ts';
import { tracingEnvironment } from './tracing.ts';

export interface JobStartProps {
  readonly parameters: Parameters;
  /** The starter's code, an ES module `index.mjs` with `handler`. */
  readonly code: lambda.Code;
  readonly network: Network;
  readonly store: Store;
  readonly workers: BatchWorkers;
  /** Takes messages that no invocation could handle. */
  readonly deadLetters: sqs.Queue;
}

/** The longest that Lambda allows; a job that needs more continues with another message. */
const TIMEOUT = Duration.minutes(15);

/** POST /batch -> queue (and dead letters) -> starter, which plans the job and submits it. */
export class JobStart extends Construct {
  readonly queue: sqs.Queue;
  readonly starter: lambda.Function;

  constructor(scope: Construct, id: string, props: JobStartProps) {
    super(scope, id);
    const { parameters, code, network, store, workers, deadLetters } = props;
    this.queue = new sqs.Queue(this, 'Starts', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(4),
      // One message is one invocation and is not held back, so its own time and a minute will do.
      visibilityTimeout: TIMEOUT.plus(Duration.minutes(1)),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: 5 },
    });

    const logGroup = createLogGroup(this, 'Logs', parameters);
    const role = createFunctionRole(this, 'Role', { logGroup, insideVpc: network.functionsInside });
    const documents = (...names: string[]) => names.map((name) => `jobs/*/${name}.json`);
    store.grantUse(role, {
      read: ['input/*', 'jobs/*'],
      write: [
        'jobs/.index/*',
        'jobs/*/shards/*',
        ...documents('job', 'planning', 'plan', 'submitted', 'cancelled', 'summary'),
      ],
      // A job without inputs is taken back; one that is run again loses its receipt and its end.
      remove: ['jobs/.index/*', ...documents('job', 'submitted', 'summary')],
    });
    workers.grantSubmit(role);
    workers.grantWatch(role);
    workers.grantCancel(role);
    this.grantSend(role);

    this.starter = new lambda.Function(this, 'Starter', {
      description: 'ml-serverless: plans and submits recorded jobs',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      handler: 'index.handler',
      code,
      memorySize: 512,
      timeout: TIMEOUT,
      ephemeralStorageSize: Size.mebibytes(512),
      ...(network.functionsInside
        ? { vpc: network.vpc, vpcSubnets: network.subnets, securityGroups: [network.securityGroup] }
        : {}),
      role,
      logGroup,
      environment: {
        STORE: `s3://${store.bucket.bucketName}`,
        JOBS: 'aws-batch',
        JOB_QUEUE_ARN: workers.queue.jobQueueArn,
        JOB_DEFINITION_ARN: workers.definitionArn,
        START_QUEUE_URL: this.queue.queueUrl,
        ...jobLimits(parameters),
        ...tracingEnvironment(parameters),
      },
    });
    if (!network.functionsInside) acknowledgeOutsideVpc(this.starter);
    this.starter.addEventSource(
      new SqsEventSource(this.queue, { batchSize: 1, maxConcurrency: 5, reportBatchItemFailures: true }),
    );
  }

  /** CDK's own grant has rights to read the queue, too. */
  grantSend(role: iam.IRole): void {
    role.addToPrincipalPolicy(
      new iam.PolicyStatement({ actions: ['sqs:SendMessage'], resources: [this.queue.queueArn] }),
    );
  }
}
