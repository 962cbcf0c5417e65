import { Aws, CfnResource, Duration, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { dropPrecision } from './drop-precision.ts';
import type { Parameters } from './parameters.ts';
import {
  commonFunctionProps,
  createBundledFunction,
  createWorkQueue,
  type ServiceFunctionProps,
} from './service-function.ts';
import type { Store } from './store.ts';

export interface DropDispatchProps extends ServiceFunctionProps {
  readonly parameters: Pick<Parameters, 'dispatchWindowSeconds' | 'logRetentionDays' | 'otlpEndpoint'>;
  /** The dispatcher's code, an ES module `index.mjs` with `handler`. */
  readonly code: lambda.Code;
}

const TIMEOUT = Duration.seconds(120);

/** Maximum messages per invocation; Lambda sends fewer if they reach 6 MB (an S3 event is about 1 KB). */
const BATCH_SIZE = 5000;

/** input/ -> S3 event -> queue (and dead letters) -> dispatcher -> one job for all that was dropped in the window. */
export class DropDispatch extends Construct {
  readonly queue: sqs.Queue;
  readonly deadLetters: sqs.Queue;
  readonly dispatcher: lambda.Function;

  constructor(scope: Construct, id: string, props: DropDispatchProps) {
    super(scope, id);
    const { parameters, code, store, workers } = props;
    const window = Duration.seconds(parameters.dispatchWindowSeconds);
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      redriveAllowPolicy: { redrivePermission: sqs.RedrivePermission.ALLOW_ALL },
    });
    // AWS's rule for queues that feed functions: six times the function's timeout, plus the window.
    const visibility = Duration.seconds(6 * TIMEOUT.toSeconds() + window.toSeconds());
    this.queue = createWorkQueue(this, 'Drops', visibility, this.deadLetters);
    this.admitBucket(store);

    const common = commonFunctionProps(this, props);
    const { role } = common;
    store.grantUse(role, { read: ['input/*', 'output/*', 'jobs/*'], write: ['jobs/*'], remove: ['jobs/*'] });
    workers.grantSubmit(role);
    workers.grantWatch(role);
    workers.grantCancel(role);

    this.dispatcher = createBundledFunction(this, 'Dispatcher', {
      common,
      description: 'ml-serverless: S3 events in, one job out',
      code,
      timeout: TIMEOUT,
      environment: { PRECISION: dropPrecision() },
    });
    this.dispatcher.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: BATCH_SIZE,
        maxBatchingWindow: window,
        // Few invocations at a time, so that a large drop becomes few large jobs.
        maxConcurrency: 2,
        reportBatchItemFailures: true,
      }),
    );
  }

  /** Allows only this bucket of this account to send; the bucket is configured after that policy. */
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
      throw new Error(`the queue in ${Stack.of(this).stackName} has no policy`);
    store.notifyDrops(this.queue.queueArn, policy);
  }
}
