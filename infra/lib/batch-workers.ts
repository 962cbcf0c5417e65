import { Aws, Duration, Size, Stack, Validations } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Image } from './image.ts';
import { createJobQueue } from './job-queue.ts';
import { createLogGroup } from './log-group.ts';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';
import type { Store } from './store.ts';
import { tracingEnvironment } from './tracing.ts';

export interface BatchWorkersProps {
  readonly parameters: Parameters;
  readonly image: Image;
  readonly network: Network;
  readonly store: Store;
}

/** The image's user. No task runs as root. */
const NON_ROOT = '1000:1000';

/** Infrastructure failures are retried. AWS Batch allows five rules; the first match wins. */
const INFRASTRUCTURE_FAULTS: readonly batch.Reason[] = [
  batch.Reason.custom({ onStatusReason: 'Your Spot Task was interrupted*' }),
  batch.Reason.CANNOT_PULL_CONTAINER,
  batch.Reason.custom({ onReason: 'ResourceInitializationError*' }),
];

/**
 * AWS Batch does not retry an attempt that reaches its timeout. The worker therefore stops this long before it, at the
 * end of a chunk, with an exit code that is retried: 20 s for the open chunks (GRACE_MS of worker-main.ts) and 90 s for
 * start and shutdown.
 */
const STOP_BEFORE_TIMEOUT = Duration.seconds(110);

function stopAfter({ taskTimeoutMinutes }: Pick<Parameters, 'taskTimeoutMinutes'>): Duration {
  return Duration.minutes(taskTimeoutMinutes).minus(STOP_BEFORE_TIMEOUT);
}

/** AWS Batch on Fargate: the job queue and the worker's job definition. */
export class BatchWorkers extends Construct {
  readonly queue: batch.JobQueue;
  readonly logGroup: logs.LogGroup;
  private readonly definitionName = `${Aws.STACK_NAME}-worker`;

  constructor(scope: Construct, id: string, { parameters, image, network, store }: BatchWorkersProps) {
    super(scope, id);
    this.queue = createJobQueue(this, parameters, network);
    this.logGroup = createLogGroup(this, 'Logs', parameters);

    const jobRole = new iam.Role(this, 'JobRole', {
      description: 'What the code of a worker may do',
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    });
    // The worker decodes untrusted images. It can read inputs and job documents, but not change them.
    const ofJobs = ['outputs', 'results', 'chunks', 'done', 'progress'].map((folder) => `jobs/*/${folder}/*`);
    const resultFiles = ['results.jsonl.gz', 'results.csv', 'parquet/*'].map((name) => `jobs/*/${name}`);
    store.grantUse(jobRole, {
      read: ['input/*', 'jobs/*', 'uploads/*'],
      write: ['output/*', ...ofJobs, ...resultFiles, 'jobs/*/report.html'],
      abortUploads: resultFiles,
    });
    const executionRole = new iam.Role(this, 'ExecutionRole', {
      description: 'What Fargate does before the worker starts: pull the image, open the log',
      assumedBy: new iam.ServicePrincipal('ecs-tasks.amazonaws.com'),
    });
    Validations.of(executionRole).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'ecr:GetAuthorizationToken takes no resource; the layers themselves are granted for the one repository.',
    });

    new batch.EcsJobDefinition(this, 'Worker', {
      jobDefinitionName: this.definitionName,
      propagateTags: true,
      retryAttempts: parameters.taskAttempts,
      retryStrategies: [
        ...INFRASTRUCTURE_FAULTS.map((fault) => batch.RetryStrategy.of(batch.Action.RETRY, fault)),
        // A configuration error fails on every machine (EX_CONFIG of sysexits.h).
        batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom({ onExitCode: '78' })),
        // Everything else is retried (store unavailable, out of memory, 75: out of time). Finished chunks are skipped.
        batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.custom({ onExitCode: '*' })),
      ],
      timeout: Duration.minutes(parameters.taskTimeoutMinutes),
      container: new batch.EcsFargateContainerDefinition(this, 'Container', {
        image: ecs.ContainerImage.fromEcrRepository(image.repository, image.tagOrDigest),
        command: ['worker'],
        cpu: parameters.taskVcpu,
        memory: Size.mebibytes(parameters.taskMemoryMb),
        ...(parameters.taskStorageGib > 20
          ? { ephemeralStorageSize: Size.gibibytes(parameters.taskStorageGib) }
          : {}),
        fargateCpuArchitecture:
          parameters.architecture === 'arm64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        assignPublicIp: network.assignPublicIp,
        environment: {
          STORE: `s3://${store.bucket.bucketName}`,
          AWS_REGION: Aws.REGION,
          WORKER_STOP_AFTER_MS: String(stopAfter(parameters).toMilliseconds()),
          ...tracingEnvironment(parameters),
        },
        user: NON_ROOT,
        readonlyRootFilesystem: true,
        jobRole,
        executionRole,
        logging: ecs.LogDriver.awsLogs({ logGroup: this.logGroup, streamPrefix: 'worker' }),
      }),
    });
  }

  /**
   * The definition without a revision: AWS Batch uses the newest one. An upgrade or a rollback then does not depend on the
   * order in which CloudFormation updates the functions.
   */
  get definitionArn(): string {
    return Stack.of(this).formatArn({
      service: 'batch',
      resource: 'job-definition',
      resourceName: this.definitionName,
    });
  }

  grantSubmit(role: iam.IRole): void {
    role.addToPrincipalPolicy(
      new iam.PolicyStatement({
        actions: ['batch:SubmitJob'],
        resources: [this.queue.jobQueueArn, this.definitionArn, `${this.definitionArn}:*`],
      }),
    );
    // The submitter looks for a job of the same name first. ListJobs supports no resource-level permissions.
    role.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['batch:ListJobs'], resources: ['*'] }));
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'batch:DescribeJobs and batch:ListJobs support no resource-level permission.',
    });
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:batch:<AWS::Region>:<AWS::AccountId>:job-definition/<AWS::StackName>-worker:*]`,
      reason: 'Every revision of the one definition: each deployment makes a new one.',
    });
  }

  /** DescribeJobs supports no resource-level permissions. */
  grantWatch(role: iam.IRole): void {
    role.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['batch:DescribeJobs'], resources: ['*'] }));
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'batch:DescribeJobs and batch:ListJobs support no resource-level permission.',
    });
  }

  /** Ends jobs in any state, including a duplicate submission of the same request. */
  grantCancel(role: iam.IRole): void {
    const jobs = Stack.of(this).formatArn({ service: 'batch', resource: 'job', resourceName: '*' });
    role.addToPrincipalPolicy(
      new iam.PolicyStatement({ actions: ['batch:TerminateJob'], resources: [jobs] }),
    );
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:batch:<AWS::Region>:<AWS::AccountId>:job/*]',
      reason:
        'AWS Batch gives a job its identifier when it is submitted, and a job ARN does not name its queue.',
    });
  }
}
