import { Duration } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { ApiKey } from './api-key.ts';
import { acknowledgeOutsideVpc } from './function-role.ts';
import type { Image } from './image.ts';
import { jobLimits } from './job-limits.ts';
import type { JobStart } from './job-start.ts';
import type { Parameters } from './parameters.ts';
import { commonFunctionProps, type ServiceFunctionProps } from './service-function.ts';

export interface ApiFunctionProps extends ServiceFunctionProps {
  readonly parameters: Parameters;
  readonly image: Image;
  readonly starts: JobStart;
  /** Undefined if requests need no key. */
  readonly apiKey: ApiKey | undefined;
}

/** The Fastify app as a Lambda function, from the image that all parts share (with the argument `lambda`). */
export class ApiFunction extends Construct {
  readonly handler: lambda.DockerImageFunction;

  constructor(scope: Construct, id: string, props: ApiFunctionProps) {
    super(scope, id);
    const { parameters, image, store, workers, starts, apiKey } = props;
    const common = commonFunctionProps(this, props);
    const { role } = common;
    // It reads, stores uploads, signs URLs for uploads (with its own rights) and records jobs; the starter plans and submits them, and workers write the results.
    store.grantUse(role, {
      read: ['input/*', 'jobs/*', 'uploads/*'],
      write: [
        'jobs/.index/*',
        'jobs/*/uploads/*',
        'uploads/*',
        ...['job.json', 'cancelled.json', 'summary.json', 'report.html'].map((name) => `jobs/*/${name}`),
      ],
      remove: ['jobs/*/uploads/*'],
      abortUploads: ['jobs/*/uploads/*'],
    });
    starts.grantSend(role);
    workers.grantWatch(role);
    workers.grantCancel(role);
    apiKey?.grantRead(role);

    this.handler = new lambda.DockerImageFunction(this, 'Function', {
      ...common,
      description: 'ml-serverless: the HTTP API',
      code: lambda.DockerImageCode.fromEcr(image.repository, {
        tagOrDigest: image.tagOrDigest,
        cmd: ['lambda'],
      }),
      architecture:
        parameters.architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      memorySize: parameters.lambdaMemoryMb,
      // API Gateway's timeout is 30 s; one second less lets this service's own error arrive.
      timeout: Duration.seconds(29),
      ...(parameters.lambdaMaxConcurrency
        ? { reservedConcurrentExecutions: parameters.lambdaMaxConcurrency }
        : {}),
      environment: {
        ...common.environment,
        START_QUEUE_URL: starts.queue.queueUrl,
        ...jobLimits(parameters),
        ...(apiKey ? { API_KEYS_SECRET_ARN: apiKey.secret.secretArn } : {}),
      },
    });
    if (common.vpc === undefined) acknowledgeOutsideVpc(this.handler);
  }
}
