import { ArnFormat, Aws, type Duration, Stack } from 'aws-cdk-lib';
import type { JobQueue } from 'aws-cdk-lib/aws-batch';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as events from 'aws-cdk-lib/aws-events';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { createLogGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';

/**
 * AWS Batch publishes no metrics. An EventBridge rule writes each failed job to a log group, and the number of matches of
 * the rule is the metric. Children of an array job are excluded: their parent fails with them.
 */
export function countFailedJobs(
  scope: Construct,
  queue: JobQueue,
  parameters: Pick<Parameters, 'logRetentionDays'>,
  period: Duration,
): cloudwatch.Metric {
  const group = createLogGroup(
    scope,
    'FailedJobLogs',
    parameters,
    // EventBridge delivers only to log groups with this prefix.
    `/aws/events/${Aws.STACK_NAME}/failed-jobs`,
  );
  // The log group's ARN ends with `:*` for its streams; a target needs the ARN without it.
  const targetArn = Stack.of(scope).formatArn({
    service: 'logs',
    resource: 'log-group',
    resourceName: group.logGroupName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const rule = new events.CfnRule(scope, 'FailedJobRule', {
    description: 'Jobs of ml-serverless that failed',
    eventPattern: {
      source: ['aws.batch'],
      'detail-type': ['Batch Job State Change'],
      detail: {
        status: ['FAILED'],
        jobQueue: [queue.jobQueueArn],
        arrayProperties: { index: [{ exists: false }] },
      },
    },
    targets: [{ id: 'log', arn: targetArn }],
  });
  const policy = new logs.CfnResourcePolicy(scope, 'FailedJobLogPolicy', {
    policyName: `${Aws.STACK_NAME}-failed-jobs`,
    policyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Service: ['events.amazonaws.com', 'delivery.logs.amazonaws.com'] },
          Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          Resource: group.logGroupArn,
        },
      ],
    }),
  });
  rule.addResourceDependency(policy);
  return new cloudwatch.Metric({
    namespace: 'AWS/Events',
    metricName: 'TriggeredRules',
    dimensionsMap: { RuleName: rule.ref },
    statistic: 'sum',
    period,
  });
}
