import { Aws, Duration } from 'aws-cdk-lib';
import type { HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { PRICES } from '../../service/src/domain/estimate/prices.ts';
import type { DropDispatch } from './drop-dispatch.ts';
import type { JobStart } from './job-start.ts';
import type { Parameters } from './parameters.ts';

export interface DashboardProps {
  readonly parameters: Pick<Parameters, 'architecture' | 'lambdaMemoryMb'>;
  readonly stage: HttpStage;
  readonly api: lambda.IFunction;
  readonly drops: DropDispatch;
  readonly starts: JobStart;
  readonly failedJobs: cloudwatch.IMetric;
  readonly alarms: readonly cloudwatch.IAlarm[];
}

const PERIOD = Duration.minutes(5);

/** Namespace of the metrics that the functions log in Embedded Metric Format (telemetry/meter-invocations.ts). */
const NAMESPACE = 'ml-serverless';

/** The same rows as the Grafana dashboard of Docker Compose: availability, latency, saturation, errors, cost. */
export class Dashboard extends Construct {
  constructor(
    scope: Construct,
    id: string,
    { parameters, stage, api, drops, starts, failedJobs, alarms }: DashboardProps,
  ) {
    super(scope, id);
    const { queue, deadLetters, dispatcher } = drops;
    const own = (fn: lambda.IFunction, metricName: string, statistic: string, label: string) =>
      new cloudwatch.Metric({
        namespace: NAMESPACE,
        metricName,
        dimensionsMap: { FunctionName: fn.functionName },
        period: PERIOD,
        statistic,
        label,
      });
    const requests = stage.metricCount({ period: PERIOD, label: 'requests' });
    const clientErrors = stage.metricClientError({ period: PERIOD, label: '4xx' });
    const serverErrors = stage.metricServerError({ period: PERIOD, label: '5xx' });
    const latency = (statistic: string) =>
      stage.metricLatency({ period: PERIOD, statistic, label: statistic });
    const stageTime = (name: string, label: string) => own(api, name, 'avg', label);
    new cloudwatch.Dashboard(this, 'Resource', {
      dashboardName: Aws.STACK_NAME,
      defaultInterval: Duration.hours(12),
      widgets: [
        [question('Is it up?')],
        [
          new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 12, height: 6 }),
          graph('Requests', [requests], [serverErrors]),
        ],
        [question('How fast is it?')],
        [
          graph('Latency (ms)', [latency('p50'), latency('p95'), latency('p99')]),
          graph(
            'Stages of one image (ms)',
            [
              stageTime('DecodeTime', 'decode'),
              stageTime('QueueTime', 'queue'),
              stageTime('InferenceTime', 'inference'),
            ],
            [own(api, 'ColdStarts', 'sum', 'cold starts')],
          ),
        ],
        [question('How full is it?')],
        [
          graph(
            'API function',
            [api.metric('ConcurrentExecutions', { statistic: 'max', period: PERIOD, label: 'environments' })],
            [api.metricThrottles({ period: PERIOD, label: 'throttled' })],
          ),
          graph(
            'Drops that wait',
            [queue.metricApproximateNumberOfMessagesVisible({ period: PERIOD, label: 'waiting' })],
            [queue.metricApproximateAgeOfOldestMessage({ period: PERIOD, label: 'oldest (s)' })],
          ),
        ],
        [question('What fails?')],
        [
          graph('Requests', [
            clientErrors,
            serverErrors,
            api.metricErrors({ period: PERIOD, label: 'function failed' }),
          ]),
          graph('Drops and jobs', [
            own(dispatcher, 'FailedMessages', 'sum', 'events to be tried again'),
            dispatcher.metricErrors({ period: PERIOD, label: 'dispatcher failed' }),
            own(starts.starter, 'FailedMessages', 'sum', 'starts to be tried again'),
            starts.starter.metricErrors({ period: PERIOD, label: 'starter failed' }),
            deadLetters.metricApproximateNumberOfMessagesVisible({ period: PERIOD, label: 'dead letters' }),
            failedJobs,
          ]),
        ],
        [question(`What does it cost? (prices of ${PRICES.region}, written down on ${PRICES.recordedOn})`)],
        [
          graph('API, $ in five minutes', [apiCost(parameters, api, requests)]),
          graph('Jobs submitted (docs/aws.md has their price)', [
            own(dispatcher, 'Jobs', 'sum', 'jobs from drops'),
            own(starts.starter, 'Jobs', 'sum', 'jobs from requests'),
          ]),
        ],
      ],
    });
  }
}

/** Cost of Lambda's duration and requests and of API Gateway's requests. */
function apiCost(
  { architecture, lambdaMemoryMb }: DashboardProps['parameters'],
  api: lambda.IFunction,
  requests: cloudwatch.IMetric,
): cloudwatch.MathExpression {
  const { gbSecond, millionRequests } = PRICES.lambda;
  const gb = lambdaMemoryMb / 1024;
  return new cloudwatch.MathExpression({
    expression: `time / 1000 * ${gb} * ${gbSecond[architecture]} + (calls * ${millionRequests} + requests * ${PRICES.httpApi.millionRequests}) / 1000000`,
    usingMetrics: {
      time: api.metricDuration({ statistic: 'sum', period: PERIOD }),
      calls: api.metricInvocations({ period: PERIOD }),
      requests,
    },
    period: PERIOD,
    label: '$',
  });
}

const question = (text: string) =>
  new cloudwatch.TextWidget({ markdown: `## ${text}`, width: 24, height: 1 });

const graph = (title: string, left: cloudwatch.IMetric[], right: cloudwatch.IMetric[] = []) =>
  new cloudwatch.GraphWidget({ title, left, right, width: 12, height: 6, liveData: true });
