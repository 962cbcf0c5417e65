import { Duration } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import type { Construct } from 'constructs';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';

/**
 * A job queue that prefers Fargate Spot and falls back to on-demand capacity. The compute environments use AWS Batch's
 * service-linked role: an own role that is deleted first would block their deletion.
 */
export function createJobQueue(
  scope: Construct,
  parameters: Pick<Parameters, 'spot' | 'maxVcpus'>,
  network: Network,
): batch.JobQueue {
  const environment = (name: string, spot: boolean) =>
    new batch.FargateComputeEnvironment(scope, name, {
      vpc: network.vpc,
      vpcSubnets: network.subnets,
      securityGroups: [network.securityGroup],
      maxvCpus: parameters.maxVcpus,
      spot,
    });
  const environments = parameters.spot
    ? [environment('Spot', true), environment('OnDemand', false)]
    : [environment('OnDemand', false)];
  const impossible = [
    batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
    batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
  ];
  return new batch.JobQueue(scope, 'Queue', {
    computeEnvironments: environments.map((computeEnvironment, index) => ({
      computeEnvironment,
      order: index + 1,
    })),
    // A job that no environment can run fails with a reason instead of waiting forever.
    jobStateTimeLimitActions: impossible.map((reason) => ({
      action: batch.JobStateTimeLimitActionsAction.CANCEL,
      maxTime: Duration.minutes(10),
      reason,
      state: batch.JobStateTimeLimitActionsState.RUNNABLE,
    })),
  });
}
