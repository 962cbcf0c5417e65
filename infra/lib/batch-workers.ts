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

/** The user of the image; no task runs as root. */
const NON_ROOT = '1000:1000';

/** Faults of the machine, not of the work: try again elsewhere. The rest is below. AWS Batch takes five rules at most, first match wins. */
const INFRASTRUCTURE_FAULTS: readonly batch.Reason[] = [
  batch.Reason.custom({ onStatusReason: 'Your Spot Task was interrupted*' }),
  batch.Reason.CANNOT_PULL_CONTAINER,
  batch.Reason.custom({ onReason: 'ResourceInitializationError*' }),
];

/**
 * AWS Batch ends an attempt at its timeout and does not retry it. So the worker stops by itself this long before, at the
 * end of a chunk, with an exit code that is retried: 20 s for the open chunks (GRACE_MS of work-shard.ts), and a minute
 * and a half for its start and end.
 */
const STOP_BEFORE_TIMEOUT = Duration.seconds(110);

function stopAfter({ taskTimeoutMinutes }: Pick<Parameters, 'taskTimeoutMinutes'>): Duration {
  return Duration.minutes(taskTimeoutMinutes).minus(STOP_BEFORE_TIMEOUT);
}

/** AWS Batch on Fargate: a queue over Spot with on demand behind it, and the definition of the worker. */
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
    // A worker, which decodes pictures of strangers, reads what was dropped and asked, and can change neither.
    const ofJobs = ['outputs', 'results', 'chunks', 'done'].map((folder) => `jobs/*/${folder}/*`);
    store.grantUse(jobRole, { read: ['input/*', 'jobs/*'], write: ['output/*', ...ofJobs] });
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
        // A setting that is wrong now is wrong on the next machine too (EX_CONFIG of sysexits.h).
        batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom({ onExitCode: '78' })),
        // The rest (the store was away, out of memory, 75: out of time): finished chunks are skipped, so an attempt carries on.
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
   * The definition without a revision: AWS Batch takes the newest, so that neither an upgrade nor a rollback depends on
   * which of the functions CloudFormation has updated yet.
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
    // A job of that name is looked for first. AWS Batch has no resource to limit ListJobs to.
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

  /** DescribeJobs: AWS Batch has no resource to limit it to. */
  grantWatch(role: iam.IRole): void {
    role.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['batch:DescribeJobs'], resources: ['*'] }));
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'batch:DescribeJobs and batch:ListJobs support no resource-level permission.',
    });
  }

  /** Ends jobs, whatever their state; also one of two that were submitted for the same request. */
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
