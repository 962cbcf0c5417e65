import { ArnFormat, Aws, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Image } from './image.ts';
import type { Parameters } from './parameters.ts';

export interface SageMakerRoleProps {
  readonly parameters: Pick<Parameters, 'modelData'>;
  readonly image: Image;
  readonly logGroupName: string;
}

/** The log groups and namespaces of the instance metrics that SageMaker writes with this role. */
const METRIC_NAMESPACES = ['/aws/sagemaker/Endpoints', '/aws/sagemaker/TransformJobs'];

/**
 * The minimum that SageMaker needs to run the image: pull it, fetch the model artefact, write its log and its metrics. AWS's
 * managed policy AmazonSageMakerFullAccess would allow every bucket with "sagemaker" in its name.
 */
export function createSageMakerRole(
  scope: Construct,
  id: string,
  { parameters: { modelData }, image, logGroupName }: SageMakerRoleProps,
): iam.Role {
  const role = new iam.Role(scope, id, {
    description: 'What SageMaker does to run the image',
    assumedBy: new iam.ServicePrincipal('sagemaker.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  });
  const allow = (actions: string[], resources: string[], conditions?: Record<string, unknown>) =>
    role.addToPolicy(new iam.PolicyStatement({ actions, resources, ...(conditions ? { conditions } : {}) }));
  image.repository.grantPull(role);
  const group = Stack.of(role).formatArn({
    service: 'logs',
    resource: 'log-group',
    resourceName: logGroupName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  allow(
    ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
    [group, `${group}:log-stream:*`],
  );
  allow(['cloudwatch:PutMetricData'], ['*'], { StringEquals: { 'cloudwatch:namespace': METRIC_NAMESPACES } });
  if (modelData) allow(['s3:GetObject'], [`arn:${Aws.PARTITION}:s3:::${modelData.replace('s3://', '')}`]);
  Validations.of(role).acknowledge(
    {
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'ecr:GetAuthorizationToken takes no resource, nor does cloudwatch:PutMetricData, which is limited to the namespaces of SageMaker.',
    },
    {
      id: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:${logGroupName.replace(Aws.STACK_NAME, '<AWS::StackName>')}:log-stream:*]`,
      reason: 'SageMaker names the log streams of one log group after its instances.',
    },
  );
  return role;
}
