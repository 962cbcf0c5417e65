import { Duration, Size } from 'aws-cdk-lib';
import type * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import type { BatchWorkers } from './batch-workers.ts';
import { acknowledgeOutsideVpc, createFunctionRole } from './function-role.ts';
import { createLogGroup } from './log-group.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { Store } from './store.ts';
import { tracingEnvironment } from './tracing.ts';

export interface ServiceFunctionProps {
  readonly parameters: Pick<Parameters, 'logRetentionDays' | 'otlpEndpoint'>;
  readonly network: Network;
  readonly store: Store;
  readonly workers: BatchWorkers;
}

export type CommonFunctionProps = Required<
  Pick<lambda.FunctionOptions, 'ephemeralStorageSize' | 'logGroup' | 'environment'>
> &
  Pick<lambda.FunctionOptions, 'vpc' | 'vpcSubnets' | 'securityGroups'> & { readonly role: iam.Role };

/** The properties that every function of the service shares: a role and a log group of its own, the network, and settings. */
export function commonFunctionProps(
  scope: Construct,
  { parameters, network, store, workers }: ServiceFunctionProps,
): CommonFunctionProps {
  const logGroup = createLogGroup(scope, 'Logs', parameters);
  return {
    role: createFunctionRole(scope, 'Role', { logGroup, insideVpc: network.functionsInside }),
    logGroup,
    ephemeralStorageSize: Size.mebibytes(512),
    ...(network.functionsInside
      ? { vpc: network.vpc, vpcSubnets: network.subnets, securityGroups: [network.securityGroup] }
      : {}),
    environment: {
      STORE: `s3://${store.bucket.bucketName}`,
      JOBS: 'aws-batch',
      JOB_QUEUE_ARN: workers.queue.jobQueueArn,
      JOB_DEFINITION_ARN: workers.definitionArn,
      ...tracingEnvironment(parameters),
    },
  };
}

export interface BundledFunctionProps {
  readonly common: CommonFunctionProps;
  readonly description: string;
  /** An ES module `index.mjs` with `handler`. */
  readonly code: lambda.Code;
  readonly timeout: Duration;
  /** Added to the common settings. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A function of plain JavaScript, which runs on the cheaper CPU regardless of the model's architecture. */
export function createBundledFunction(
  scope: Construct,
  id: string,
  { common, environment, ...props }: BundledFunctionProps,
): lambda.Function {
  const created = new lambda.Function(scope, id, {
    ...common,
    ...props,
    runtime: lambda.Runtime.NODEJS_24_X,
    architecture: lambda.Architecture.ARM_64,
    handler: 'index.handler',
    memorySize: 512,
    environment: { ...common.environment, ...environment },
  });
  if (common.vpc === undefined) acknowledgeOutsideVpc(created);
  return created;
}

/** A queue that feeds a function; after five failed deliveries a message goes to `deadLetters`. */
export function createWorkQueue(
  scope: Construct,
  id: string,
  visibilityTimeout: Duration,
  deadLetters: sqs.IQueue,
): sqs.Queue {
  return new sqs.Queue(scope, id, {
    encryption: sqs.QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(4),
    visibilityTimeout,
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: 5 },
  });
}
