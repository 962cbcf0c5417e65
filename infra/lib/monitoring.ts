import { Duration, Validations } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import type { JobQueue } from 'aws-cdk-lib/aws-batch';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sns from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { Dashboard } from './dashboard.ts';
import type { DropDispatch } from './drop-dispatch.ts';
import { countFailedJobs } from './failed-jobs.ts';
import type { JobStart } from './job-start.ts';
import type { Parameters } from './parameters.ts';

export interface MonitoringProps {
  readonly parameters: Pick<
    Parameters,
    'alarmEmail' | 'logRetentionDays' | 'architecture' | 'lambdaMemoryMb'
  >;
  readonly stage: HttpStage;
  readonly api: lambda.IFunction;
  readonly drops: DropDispatch;
  readonly starts: JobStart;
  readonly jobQueue: JobQueue;
}

const PERIOD = Duration.minutes(5);

/** Alarms and a dashboard, within CloudWatch's free ten and three. Alarms go to `alarmEmail`, if it is set. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { parameters, stage, api, drops, starts, jobQueue } = props;
    const failedJobs = countFailedJobs(this, jobQueue, parameters, PERIOD);
    const serverErrors = stage.metricServerError({ period: PERIOD });
    const deadLetters = drops.deadLetters.metricApproximateNumberOfMessagesVisible({ period: PERIOD });
    const oldestStart = starts.queue.metricApproximateAgeOfOldestMessage({ period: PERIOD });
    const oldestDrop = drops.queue.metricApproximateAgeOfOldestMessage({ period: PERIOD });

    this.alarm(
      'DeadLetters',
      deadLetters,
      1,
      parameters,
      'Dropped objects without a job, or jobs that were not started: see docs/operations.md',
    );
    this.alarm('FailedJobs', failedJobs, 1, parameters, 'A Batch job failed after all its attempts');
    this.alarm(
      'ServerErrors',
      serverErrors,
      5,
      parameters,
      'The API returned 5xx five times in five minutes',
    );
    this.alarm(
      'DropsWait',
      oldestDrop,
      3600,
      parameters,
      'A dropped object has waited for an hour: the dispatcher does not get through',
    );

    this.alarm(
      'StartsWait',
      oldestStart,
      3600,
      parameters,
      'A job has waited for an hour to be planned: the starter does not get through',
    );

    new Dashboard(this, 'Dashboard', {
      parameters,
      stage,
      api,
      drops,
      starts,
      failedJobs: failedJobs.with({ label: 'failed jobs' }),
      alarms: this.alarms,
    });
  }

  private topic: sns.Topic | undefined;
  private readonly alarms: cloudwatch.Alarm[] = [];

  private alarm(
    id: string,
    metric: cloudwatch.Metric,
    threshold: number,
    parameters: MonitoringProps['parameters'],
    alarmDescription: string,
  ): void {
    const alarm = new cloudwatch.Alarm(this, id, {
      metric,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      alarmDescription,
    });
    this.alarms.push(alarm);
    if (!parameters.alarmEmail) {
      Validations.of(alarm).acknowledge({
        id: 'cdk-validator-cfnguard::cloudwatch_alarm_action_check',
        reason: 'Shown on the dashboard and in the console; -c alarmEmail=… sends it.',
      });
      return;
    }
    if (!this.topic) {
      this.topic = new sns.Topic(this, 'Topic', { enforceSSL: true });
      this.topic.addSubscription(new EmailSubscription(parameters.alarmEmail));
    }
    alarm.addAlarmAction(new SnsAction(this.topic));
  }
}
