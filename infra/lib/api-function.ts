import { Duration, Size } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { ApiKey } from './api-key.ts';
import type { BatchWorkers } from './batch-workers.ts';
import { acknowledgeOutsideVpc, createFunctionRole } from './function-role.ts';
import type { Image } from './image.ts';
import { jobLimits } from './job-limits.ts';
import type { JobStart } from './job-start.ts';
import { createLogGroup } from './log-group.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { Store } from './store.ts';
import { tracingEnvironment } from './tracing.ts';

export interface ApiFunctionProps {
  readonly parameters: Parameters;
  readonly image: Image;
  readonly network: Network;
  readonly store: Store;
  readonly workers: BatchWorkers;
  readonly starts: JobStart;
  /** Absent: the app asks for no key. */
  readonly apiKey: ApiKey | undefined;
}

/** The Fastify app as a Lambda function, from the same image as everything else (its word: `lambda`). */
export class ApiFunction extends Construct {
  readonly handler: lambda.DockerImageFunction;

  constructor(scope: Construct, id: string, props: ApiFunctionProps) {
    super(scope, id);
    const { parameters, image, network, store, workers, starts, apiKey } = props;
    const logGroup = createLogGroup(this, 'Logs', parameters);
    const role = createFunctionRole(this, 'Role', { logGroup, insideVpc: network.functionsInside });
    // It shows what is there, takes uploads and records jobs. The starter plans and submits them; results are the workers'.
    store.grantUse(role, {
      read: ['input/*', 'jobs/*'],
      write: [
        'jobs/.index/*',
        'jobs/*/uploads/*',
        ...['job', 'cancelled', 'summary'].map((name) => `jobs/*/${name}.json`),
      ],
      remove: ['jobs/*/uploads/*'],
      abortUploads: ['jobs/*/uploads/*'],
    });
    starts.grantSend(role);
    workers.grantWatch(role);
    workers.grantCancel(role);
    apiKey?.grantRead(role);

    this.handler = new lambda.DockerImageFunction(this, 'Function', {
      description: 'ml-serverless: the HTTP API',
      code: lambda.DockerImageCode.fromEcr(image.repository, {
        tagOrDigest: image.tagOrDigest,
        cmd: ['lambda'],
      }),
      architecture:
        parameters.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      memorySize: parameters.lambdaMemoryMb,
      // API Gateway gives up after 30 s; one second less leaves our own error room to arrive.
      timeout: Duration.seconds(29),
      ephemeralStorageSize: Size.mebibytes(512),
      ...(parameters.lambdaMaxConcurrency
        ? { reservedConcurrentExecutions: parameters.lambdaMaxConcurrency }
        : {}),
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
        START_QUEUE_URL: starts.queue.queueUrl,
        ...jobLimits(parameters),
        ...(apiKey ? { API_KEYS_SECRET_ARN: apiKey.secret.secretArn } : {}),
        ...tracingEnvironment(parameters),
      },
    });
    if (!network.functionsInside) acknowledgeOutsideVpc(this.handler);
  }
}
