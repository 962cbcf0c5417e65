import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { type CfnTemplate, resolve, resourcesOf } from './helpers/intrinsics.ts';
import { IMAGE_URI, synthTemplate } from './helpers/synth.ts';

const RESOURCE_TYPES = [
  'AWS::ApiGatewayV2::Api',
  'AWS::ApiGatewayV2::Integration',
  'AWS::ApiGatewayV2::Route',
  'AWS::ApiGatewayV2::Stage',
  'AWS::Batch::ComputeEnvironment',
  'AWS::Batch::JobDefinition',
  'AWS::Batch::JobQueue',
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::EC2::FlowLog',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::Route',
  'AWS::EC2::RouteTable',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::Subnet',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPC',
  'AWS::EC2::VPCEndpoint',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::Events::Rule',
  'AWS::IAM::Policy',
  'AWS::IAM::Role',
  'AWS::Lambda::EventSourceMapping',
  'AWS::Lambda::Function',
  'AWS::Lambda::Permission',
  'AWS::Logs::LogGroup',
  'AWS::Logs::ResourcePolicy',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SQS::Queue',
  'AWS::SQS::QueuePolicy',
  'AWS::SecretsManager::Secret',
  'Custom::S3AutoDeleteObjects',
];

describe('the stack', () => {
  let json: CfnTemplate;
  let template: Template;
  before(() => {
    json = synthTemplate();
    template = Template.fromJSON(json as unknown as Record<string, unknown>);
  });

  it('has the outputs people type commands with', () => {
    assert.deepEqual(Object.keys(json.Outputs).sort(), [
      'apiKeySecretArn',
      'bucketName',
      'httpAPIUrl',
      'jobQueueArn',
    ]);
    assert.equal(
      resolve(json.Outputs.bucketName?.Value, json),
      'ml-serverless-bucket-111122223333-us-east-1',
      'the name is the one the commands have',
    );
    // A trailing slash would make "$httpAPIUrl/predict" another path.
    template.hasOutput('httpAPIUrl', {
      Value: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Http'), 'ApiEndpoint'] },
    });
  });

  it('tells the dispatcher the precision of its jobs, which it has no manifest to decide by', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Description: Match.stringLikeRegexp('S3|drop'),
      Environment: { Variables: Match.objectLike({ PRECISION: 'int8' }) },
    });
  });

  it('keeps the bucket encrypted, closed and tidy', () => {
    template.hasResource('AWS::S3::Bucket', {
      DeletionPolicy: 'Delete',
      Properties: {
        BucketEncryption: {
          ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
        },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        LifecycleConfiguration: {
          Rules: Match.arrayWith([
            Match.objectLike({ Prefix: 'jobs/', ExpirationInDays: 30, Status: 'Enabled' }),
            Match.objectLike({
              AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
              Status: 'Enabled',
            }),
          ]),
        },
      },
    });
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Deny',
            Principal: { AWS: '*' },
            Condition: { Bool: { 'aws:SecureTransport': 'false' } },
          }),
          Match.objectLike({ Effect: 'Deny', Condition: { NumericLessThan: { 's3:TlsVersion': 1.2 } } }),
        ]),
      },
    });
  });

  it('lets the page, and no other origin, send uploads to the bucket', () => {
    const [bucket] = resourcesOf(json, 'AWS::S3::Bucket');
    const { CorsRules } = (bucket?.Properties.CorsConfiguration ?? {}) as {
      CorsRules: Record<string, unknown>[];
    };
    const [rule, ...others] = CorsRules;
    assert.deepEqual(others, []);
    assert.deepEqual(rule?.AllowedMethods, ['PUT']);
    const [api] = resourcesOf(json, 'AWS::ApiGatewayV2::Api');
    assert.deepEqual(rule?.AllowedOrigins, [json.Outputs.httpAPIUrl?.Value]);
    assert.ok(JSON.stringify(rule?.AllowedOrigins).includes(`"${api?.id}"`));
  });

  it('never lets the lifecycle touch what people dropped or got', () => {
    const [bucket] = resourcesOf(json, 'AWS::S3::Bucket');
    const { Rules } = (bucket?.Properties.LifecycleConfiguration ?? {}) as {
      Rules: Record<string, unknown>[];
    };
    const expiring = Rules.filter(({ ExpirationInDays }) => ExpirationInDays);
    assert.deepEqual(
      expiring.map(({ Prefix, ExpirationInDays }) => [Prefix, ExpirationInDays]),
      [
        ['jobs/', 30],
        ['uploads/', 2],
      ],
    );
  });

  it('tells the queue of objects under input/ only, once the queue admits this bucket and no other', () => {
    const [bucket] = resourcesOf(json, 'AWS::S3::Bucket');
    const { QueueConfigurations } = (bucket?.Properties.NotificationConfiguration ?? {}) as {
      QueueConfigurations: { Event: string; Queue: unknown; Filter: unknown }[];
    };
    assert.equal(QueueConfigurations.length, 1);
    assert.equal(QueueConfigurations[0]?.Event, 's3:ObjectCreated:*');
    assert.deepEqual(QueueConfigurations[0]?.Filter, {
      S3Key: { Rules: [{ Name: 'prefix', Value: 'input/' }] },
    });
    const mapping = resourcesOf(json, 'AWS::Lambda::EventSourceMapping').find(({ id }) =>
      id.startsWith('Drop'),
    );
    assert.equal(
      resolve(QueueConfigurations[0]?.Queue, json),
      resolve(mapping?.Properties.EventSourceArn, json),
    );

    const policies = resourcesOf(json, 'AWS::SQS::QueuePolicy').filter(({ id }) =>
      bucket?.DependsOn?.includes(id),
    );
    assert.equal(policies.length, 1, 'the bucket waits for the policy of its queue');
    const statements = (
      (policies[0]?.Properties.PolicyDocument ?? {}) as { Statement: Record<string, unknown>[] }
    ).Statement;
    const send = statements.find(
      ({ Principal }) => (Principal as { Service?: string }).Service === 's3.amazonaws.com',
    );
    const { ArnEquals, StringEquals } = (send?.Condition ?? {}) as Record<string, Record<string, unknown>>;
    assert.equal(
      resolve(ArnEquals?.['aws:SourceArn'], json),
      'arn:aws:s3:::ml-serverless-bucket-111122223333-us-east-1',
    );
    assert.equal(resolve(StringEquals?.['aws:SourceAccount'], json), '111122223333');
  });

  it('gathers drops for a window, returns only bad messages, and keeps those nobody could take', () => {
    template.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      MaximumBatchingWindowInSeconds: 20,
      ScalingConfig: { MaximumConcurrency: 2 },
    });
    template.hasResourceProperties('AWS::SQS::Queue', {
      RedrivePolicy: { maxReceiveCount: 5, deadLetterTargetArn: Match.anyValue() },
      SqsManagedSseEnabled: true,
      // Six timeouts of 120 s and the window.
      VisibilityTimeout: 740,
    });
  });

  it('starts jobs apart from the API, one at a time, for as long as Lambda allows', () => {
    const starter = resourcesOf(json, 'AWS::Lambda::Function').find(({ id }) => id.startsWith('Start'));
    assert.equal(starter?.Properties.Timeout, 900);
    const mapping = resourcesOf(json, 'AWS::Lambda::EventSourceMapping').find(({ id }) =>
      id.startsWith('Start'),
    );
    assert.equal(mapping?.Properties.BatchSize, 1);
    assert.deepEqual(mapping?.Properties.FunctionResponseTypes, ['ReportBatchItemFailures']);
    const queueId =
      (mapping?.Properties.EventSourceArn as { 'Fn::GetAtt': string[] } | undefined)?.['Fn::GetAtt'][0] ?? '';
    const { VisibilityTimeout, RedrivePolicy } = (json.Resources[queueId]?.Properties ?? {}) as {
      VisibilityTimeout: number;
      RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': string[] } };
    };
    assert.ok(VisibilityTimeout > 900, 'no message returns while it is handled');
    const [deadLetters = ''] = RedrivePolicy.deadLetterTargetArn['Fn::GetAtt'];
    const watched = resourcesOf(json, 'AWS::CloudWatch::Alarm').filter(({ Properties }) =>
      JSON.stringify(Properties.Dimensions).includes(deadLetters),
    );
    assert.equal(watched.length, 1, 'an alarm watches its dead letters');
    for (const { Properties, id } of resourcesOf(json, 'AWS::Lambda::Function')) {
      if (!/^(App|Start)/.test(id)) continue;
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      assert.deepEqual(Variables.START_QUEUE_URL, { Ref: queueId }, id);
      assert.equal(Variables.MAX_JOB_INPUTS, '1000000', id);
      assert.equal(Variables.MAX_JOBS_PER_DAY, '1000', id);
      assert.equal(Variables.BATCH_REQUESTS, undefined, id);
    }
  });

  it('runs API and workers from one image, by digest, each with its word', () => {
    const [definition] = resourcesOf(json, 'AWS::Batch::JobDefinition');
    const container = definition?.Properties.ContainerProperties as Record<string, unknown>;
    assert.equal(resolve(container.Image, json), IMAGE_URI);
    assert.deepEqual(container.Command, ['worker']);
    const api = resourcesOf(json, 'AWS::Lambda::Function').find(
      ({ Properties }) => Properties.PackageType === 'Image',
    );
    assert.equal(
      resolve((api?.Properties.Code as { ImageUri: unknown } | undefined)?.ImageUri, json),
      IMAGE_URI,
    );
    assert.deepEqual(api?.Properties.ImageConfig, { Command: ['lambda'] });
    assert.equal(api?.Properties.Timeout, 29, 'below the 30 s of API Gateway');
  });

  it('tells the code where its things are, and no secret', () => {
    for (const { Properties } of resourcesOf(json, 'AWS::Lambda::Function')) {
      const variables = (Properties.Environment as { Variables?: Record<string, unknown> } | undefined)
        ?.Variables;
      if (!variables) continue;
      assert.equal(resolve(variables.STORE, json), 's3://ml-serverless-bucket-111122223333-us-east-1');
      assert.equal(variables.JOBS, 'aws-batch');
      assert.equal(
        resolve(variables.JOB_DEFINITION_ARN, json),
        'arn:aws:batch:us-east-1:111122223333:job-definition/ml-serverless-worker',
      );
      assert(variables.JOB_QUEUE_ARN);
      assert.equal(variables.API_KEYS, undefined);
    }
    template.hasResourceProperties('AWS::SecretsManager::Secret', {
      GenerateSecretString: { PasswordLength: 40, ExcludePunctuation: true },
      SecretString: Match.absent(),
    });
  });

  it('names the job definition the functions submit to', () => {
    const [definition] = resourcesOf(json, 'AWS::Batch::JobDefinition');
    assert.equal(resolve(definition?.Properties.JobDefinitionName, json), 'ml-serverless-worker');
  });

  it('runs workers unprivileged: no root, no writable disk, no way in', () => {
    template.hasResourceProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: {
        User: '1000:1000',
        ReadonlyRootFilesystem: true,
        Privileged: Match.absent(),
        ResourceRequirements: Match.arrayWith([
          { Type: 'MEMORY', Value: '4096' },
          { Type: 'VCPU', Value: '2' },
        ]),
      },
      PlatformCapabilities: ['FARGATE'],
    });
    for (const { Properties } of resourcesOf(json, 'AWS::EC2::SecurityGroup')) {
      assert.equal(Properties.SecurityGroupIngress, undefined);
    }
    template.resourceCountIs('AWS::EC2::SecurityGroupIngress', 0);
  });

  it('retries what the machine did and gives up on a wrong setting', () => {
    template.hasResourceProperties('AWS::Batch::JobDefinition', {
      RetryStrategy: {
        Attempts: 5,
        EvaluateOnExit: [
          { Action: 'RETRY', OnStatusReason: 'Your Spot Task was interrupted*' },
          { Action: 'RETRY', OnReason: 'CannotPullContainerError:*' },
          { Action: 'RETRY', OnReason: 'ResourceInitializationError*' },
          { Action: 'EXIT', OnExitCode: '78' },
          { Action: 'RETRY', OnExitCode: '*' },
        ],
      },
      Timeout: { AttemptDurationSeconds: 3600 },
    });
  });

  it('has a worker stop itself before its timeout, with a code that is retried', () => {
    for (const minutes of [5, 60]) {
      const own = synthTemplate({ taskTimeoutMinutes: minutes });
      const [definition] = resourcesOf(own, 'AWS::Batch::JobDefinition');
      const { Timeout, ContainerProperties, RetryStrategy } = (definition?.Properties ?? {}) as {
        Timeout: { AttemptDurationSeconds: number };
        ContainerProperties: { Environment: { Name: string; Value: string }[] };
        RetryStrategy: { EvaluateOnExit: { Action: string; OnExitCode?: string }[] };
      };
      const variables = ContainerProperties.Environment;
      const stop = Number(variables.find(({ Name }) => Name === 'WORKER_STOP_AFTER_MS')?.Value) / 1000;
      assert.ok(stop > 60 && stop + 60 < Timeout.AttemptDurationSeconds, `${minutes} minutes: ${stop} s`);
      const rule = RetryStrategy.EvaluateOnExit.find(
        ({ OnExitCode }) => OnExitCode === '75' || OnExitCode === '*',
      );
      assert.equal(rule?.Action, 'RETRY');
    }
  });

  it('tries Spot first and on demand second', () => {
    const [queue] = resourcesOf(json, 'AWS::Batch::JobQueue');
    const order = queue?.Properties.ComputeEnvironmentOrder as {
      Order: number;
      ComputeEnvironment: { 'Fn::GetAtt': string[] };
    }[];
    const types = order
      .toSorted((a, b) => a.Order - b.Order)
      .map(({ ComputeEnvironment }) => {
        const resource = json.Resources[ComputeEnvironment['Fn::GetAtt'][0] ?? ''];
        return (resource?.Properties.ComputeResources as { Type: string } | undefined)?.Type;
      });
    assert.deepEqual(types, ['FARGATE_SPOT', 'FARGATE']);
  });

  it('gives functions and compute environments the sizes that the parameters default to', () => {
    const sizes = resourcesOf(json, 'AWS::Lambda::Function')
      .filter(({ Properties }) => Properties.Environment !== undefined)
      .map(({ Properties }) => [
        Properties.MemorySize,
        Properties.Timeout,
        Properties.Architectures,
        Properties.ReservedConcurrentExecutions,
      ]);
    assert.deepEqual(sizes, [
      [512, 120, ['arm64'], undefined],
      [512, 900, ['arm64'], undefined],
      [3008, 29, ['x86_64'], undefined],
    ]);
    template.allResourcesProperties('AWS::Batch::ComputeEnvironment', {
      State: 'ENABLED',
      ComputeResources: { MaxvCpus: 64 },
    });
  });

  it('cancels jobs that no compute environment can ever run', () => {
    template.hasResourceProperties('AWS::Batch::JobQueue', {
      JobStateTimeLimitActions: [
        { Reason: 'MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE' },
        { Reason: 'MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT' },
      ].map((each) => ({ ...each, Action: 'CANCEL', State: 'RUNNABLE', MaxTimeSeconds: 600 })),
    });
  });

  it('has no resource of a type that is not listed here, since each may cost something', () => {
    const types = new Set(Object.values(json.Resources).map(({ Type }) => Type));
    assert.deepEqual([...types].sort(), RESOURCE_TYPES);
  });

  it('costs nothing while idle for its network', () => {
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    template.resourceCountIs('AWS::EC2::EIP', 0);
    for (const { Properties } of resourcesOf(json, 'AWS::EC2::VPCEndpoint')) {
      assert.equal(Properties.VpcEndpointType, 'Gateway');
    }
  });

  it('throttles the API and logs requests without their headers, queries and bodies', () => {
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      StageName: '$default',
      DefaultRouteSettings: { ThrottlingRateLimit: 50, ThrottlingBurstLimit: 100 },
      AccessLogSettings: { DestinationArn: Match.anyValue(), Format: Match.anyValue() },
    });
    const [stage] = resourcesOf(json, 'AWS::ApiGatewayV2::Stage');
    const { Format } = (stage?.Properties.AccessLogSettings ?? {}) as { Format: string };
    assert.doesNotMatch(Format, /header|query|body|authorizer/i);
    template.hasResourceProperties('AWS::ApiGatewayV2::Integration', { PayloadFormatVersion: '2.0' });
  });

  it('alarms on dead letters, failed jobs, server errors, and drops and jobs that wait', () => {
    const alarms = resourcesOf(json, 'AWS::CloudWatch::Alarm').map(({ Properties }) =>
      [Properties.MetricName, Properties.Statistic, Properties.Threshold].join(' '),
    );
    assert.deepEqual(alarms.sort(), [
      '5xx Sum 5',
      'ApproximateAgeOfOldestMessage Maximum 3600',
      'ApproximateAgeOfOldestMessage Maximum 3600',
      'ApproximateNumberOfMessagesVisible Maximum 1',
      'TriggeredRules Sum 1',
    ]);
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      Period: 300,
      EvaluationPeriods: 1,
      TreatMissingData: 'notBreaching',
    });
    template.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
    const [dashboard] = resourcesOf(json, 'AWS::CloudWatch::Dashboard');
    const questions = [...JSON.stringify(dashboard).matchAll(/## ([^?]+\?)/g)].map(([, text]) => text);
    assert.deepEqual(questions, [
      'Is it up?',
      'How fast is it?',
      'How full is it?',
      'What fails?',
      'What does it cost?',
    ]);
    template.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.batch'],
        detail: {
          status: ['FAILED'],
          jobQueue: [Match.anyValue()],
          arrayProperties: { index: [{ exists: false }] },
        },
      },
    });
  });

  it('leaves nothing behind that costs money', () => {
    for (const [id, { DeletionPolicy, UpdateReplacePolicy, Type }] of Object.entries(json.Resources)) {
      for (const policy of [DeletionPolicy, UpdateReplacePolicy])
        assert.ok(policy === undefined || policy === 'Delete', `${id} (${Type}): ${policy}`);
    }
    template.resourceCountIs('Custom::S3AutoDeleteObjects', 1);
    // A function without a group of its own makes one that outlives the stack.
    for (const { Properties, id } of resourcesOf(json, 'AWS::Lambda::Function')) {
      const { LogGroup } = (Properties.LoggingConfig ?? {}) as { LogGroup?: { Ref: string } };
      assert.equal(
        json.Resources[LogGroup?.Ref ?? '']?.Type,
        'AWS::Logs::LogGroup',
        `${id} logs into a group of the stack`,
      );
    }
    for (const { Properties, id } of resourcesOf(json, 'AWS::Logs::LogGroup')) {
      assert.equal(Properties.RetentionInDays, 30, `${id} forgets`);
    }
  });
});
