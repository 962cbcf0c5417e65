import { Aws, CfnResource, Duration, Size, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { BatchWorkers } from './batch-workers.ts';
import { dropPrecision } from './drop-precision.ts';
import { acknowledgeOutsideVpc, createFunctionRole } from './function-role.ts';
import { createLogGroup } from './log-group.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { Store } from './store.ts';
import { tracingEnvironment } from './tracing.ts';

export interface DropDispatchProps {
  readonly parameters: Pick<Parameters, 'dispatchWindowSeconds' | 'logRetentionDays' | 'otlpEndpoint'>;
  /** The dispatcher's code, an ES module `index.mjs` with `handler`. */
  readonly code: lambda.Code;
  readonly network: Network;
  readonly store: Store;
  readonly workers: BatchWorkers;
}

const TIMEOUT = Duration.seconds(120);

/** Messages a call may carry; Lambda sends fewer when they reach 6 MB (an S3 event is about 1 KB). */
const BATCH_SIZE = 5000;

/** input/ -> S3 event -> queue (and dead letters) -> dispatcher -> one job for all that was dropped in the window. */
export class DropDispatch extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;
  readonly dispatcher: lambda.Function;

  constructor(
    scope: Construct,
    id: string,
    { parameters, code, network, store, workers }: DropDispatchProps,
  ) {
    super(scope, id);
    const window = Duration.seconds(parameters.dispatchWindowSeconds);
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.ALLOW_ALL },
    });
    this.queue = new sqs.Queue(this, 'Drops', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(4),
      // AWS's rule for queues that feed functions: six times the function's timeout, and the window.
      visibilityTimeout: Duration.seconds(6 * TIMEOUT.toSeconds() + window.toSeconds()),
      deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: 5 },
    });
    this.admitBucket(store);

    const logGroup = createLogGroup(this, 'Logs', parameters);
    const role = createFunctionRole(this, 'Role', { logGroup, insideVpc: network.functionsInside });
    store.grantUse(role, { read: ['input/*', 'output/*', 'jobs/*'], write: ['jobs/*'], remove: ['jobs/*'] });
    workers.grantSubmit(role);
    workers.grantWatch(role);
    workers.grantCancel(role);

    this.dispatcher = new lambda.Function(this, 'Dispatcher', {
      description: 'ml-serverless: S3 events in, one job out',
      runtime: lambda.Runtime.NODEJS_24_X,
      // Plain JavaScript: the cheaper CPU does, whatever the model runs on.
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
        PRECISION: dropPrecision(),
        ...tracingEnvironment(parameters),
      },
    });
    if (!network.functionsInside) acknowledgeOutsideVpc(this.dispatcher);
    this.dispatcher.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: BATCH_SIZE,
        maxBatchingWindow: window,
        // Few at a time, so that a large drop becomes few large jobs.
        maxConcurrency: 2,
        reportBatchItemFailures: true,
      }),
    );
  }

  /** Only this bucket of this account may send, and the bucket waits for the policy that says so. */
  private admitBucket(store: Store): void {
    this.queue.addToResourcePolicy(
      new iam.PolicyStatement({
        actions: ['sqs:SendMessage'],
        principals: [new iam.ServicePrincipal('s3.amazonaws.com')],
        resources: [this.queue.queueArn],
        conditions: {
          ArnEquals: { 'aws:SourceArn': store.bucketArn() },
          StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        },
      }),
    );
    const policy = this.queue.node.findChild('Policy').node.defaultChild;
    if (!CfnResource.isCfnResource(policy))
      throw new Error(`no policy of the queue in ${Stack.of(this).stackName}`);
    store.notifyDrops(this.queue.queueArn, policy);
  }
}
