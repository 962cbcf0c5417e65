import { Duration } from 'aws-cdk-lib';
import * as batch from 'aws-cdk-lib/aws-batch';
import type { Construct } from 'constructs';
import type { Network } from './network.ts';
import type { Parameters } from './parameters.ts';

/**
 * A job queue over Fargate Spot, with on demand behind it: AWS Batch goes on to the next environment when one cannot
 * give what a job needs. Environments have no role of their own (AWS Batch's service-linked one serves), so that deletion
 * cannot get stuck on a role that went first.
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
    // A job no environment can ever take ends with a reason, where it would wait for good.
    jobStateTimeLimitActions: impossible.map((reason) => ({
      action: batch.JobStateTimeLimitActionsAction.CANCEL,
      maxTime: Duration.minutes(10),
      reason,
      state: batch.JobStateTimeLimitActionsState.RUNNABLE,
    })),
  });
}
