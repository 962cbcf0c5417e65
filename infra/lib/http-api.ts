import { Validations } from 'aws-cdk-lib';
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { createLogGroup } from './log-group.ts';
import type { Parameters } from './parameters.ts';

export interface PublicApiProps {
  readonly parameters: Pick<Parameters, 'auth' | 'throttleRate' | 'throttleBurst' | 'logRetentionDays'>;
  readonly handler: lambda.IFunction;
}

/** Fields of the access log. Headers, query and body are excluded: they can hold keys and images. */
const ACCESS_LOG = {
  requestId: '$context.requestId',
  time: '$context.requestTime',
  ip: '$context.identity.sourceIp',
  method: '$context.httpMethod',
  path: '$context.path',
  status: '$context.status',
  responseBytes: '$context.responseLength',
  latencyMs: '$context.responseLatency',
  integrationMs: '$context.integration.latency',
  integrationError: '$context.integration.error',
};

/** The HTTP API in front of the app: one catch-all route, throttled, with an access log. */
export class PublicApi extends Construct {
  readonly api: apigateway.HttpApi;
  readonly stage: apigateway.HttpStage;

  constructor(scope: Construct, id: string, { parameters, handler }: PublicApiProps) {
    super(scope, id);
    this.api = new apigateway.HttpApi(this, 'Api', {
      description: 'ml-serverless',
      createDefaultStage: false,
      defaultIntegration: new HttpLambdaIntegration('App', handler, {
        payloadFormatVersion: apigateway.PayloadFormatVersion.VERSION_2_0,
      }),
      ...(parameters.auth === 'iam' ? { defaultAuthorizer: new HttpIamAuthorizer() } : {}),
    });
    if (parameters.auth !== 'iam') {
      const reason =
        parameters.auth === 'key'
          ? 'The app itself asks for the key (HTTP APIs have no keys of their own), so that it is the same everywhere it runs.'
          : 'Asked for by -c auth=none: the throttle bounds the rate, and jobs by requests are off unless anonymousBatch is set.';
      Validations.of(this.api).acknowledge(
        { id: 'AwsSolutions-APIG4', reason },
        { id: 'cdk-validator-cfnguard::api_gw_v2_authorization_type_configured_check', reason },
      );
    }
    Validations.of(this.api).acknowledge({
      id: 'cdk-validator-cfnguard::lambda_function_public_access_prohibited_check',
      reason:
        'The permission names this API as its SourceArn; the rule does not read an ARN that is put together at deployment.',
    });
    const accessLogs = createLogGroup(this, 'AccessLogs', parameters);
    this.stage = new apigateway.HttpStage(this, 'Stage', {
      httpApi: this.api,
      autoDeploy: true,
      throttle: { rateLimit: parameters.throttleRate, burstLimit: parameters.throttleBurst },
      accessLogSettings: {
        destination: new apigateway.LogGroupLogDestination(accessLogs),
        format: AccessLogFormat.custom(JSON.stringify(ACCESS_LOG)),
      },
    });
  }
}
