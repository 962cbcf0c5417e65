import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Parameters } from './parameters.ts';

/** A log group with a retention of `logRetentionDays` that is deleted with the stack. `name` only if AWS requires one. */
export function createLogGroup(
  scope: Construct,
  id: string,
  parameters: Pick<Parameters, 'logRetentionDays'>,
  name?: string,
): logs.LogGroup {
  const group = new logs.LogGroup(scope, id, {
    retention: parameters.logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
    ...(name ? { logGroupName: name } : {}),
  });
  Validations.of(group).acknowledge(
    {
      id: 'cdk-validator-cfnguard::cloudwatch_log_group_retention_period_check',
      reason: 'Logs hold no pictures and no keys; who must keep them a year says -c logRetentionDays=365.',
    },
    {
      id: 'cdk-validator-cfnguard::cloudwatch_log_group_encrypted_check',
      reason: 'Encrypted at rest by CloudWatch; a KMS key of our own is a dollar a month while idle.',
    },
  );
  return group;
}
