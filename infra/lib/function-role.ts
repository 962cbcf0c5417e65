import { Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

export interface FunctionRoleProps {
  readonly logGroup: logs.ILogGroup;
  readonly insideVpc: boolean;
}

/**
 * A role with the minimum that Lambda needs: the function's own log group, and network interfaces if it runs in a VPC.
 * AWS's managed policies would allow every log group of the account.
 */
export function createFunctionRole(
  scope: Construct,
  id: string,
  { logGroup, insideVpc }: FunctionRoleProps,
): iam.Role {
  const role = new iam.Role(scope, id, { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
  logGroup.grantWrite(role);
  if (!insideVpc) return role;
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: [
        'ec2:CreateNetworkInterface',
        'ec2:DescribeNetworkInterfaces',
        'ec2:DescribeSubnets',
        'ec2:DeleteNetworkInterface',
        'ec2:AssignPrivateIpAddresses',
        'ec2:UnassignPrivateIpAddresses',
      ],
      resources: ['*'],
    }),
  );
  Validations.of(role).acknowledge({
    id: 'AwsSolutions-IAM5[Resource::*]',
    reason:
      'Lambda creates network interfaces with unpredictable names, and the Describe actions support no resource.',
  });
  return role;
}

/** Tells cfn-guard why the function has no VPC. */
export function acknowledgeOutsideVpc(handler: lambda.IFunction): void {
  Validations.of(handler).acknowledge({
    id: 'cdk-validator-cfnguard::lambda_inside_vpc_check',
    reason:
      'It reaches AWS services only; inside the VPC it would need endpoints billed by the hour (-c network=private has them).',
  });
}
