import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { resolve, resourcesOf } from './helpers/intrinsics.ts';
import { synthTemplate } from './helpers/synth.ts';

describe('parameters change the stack', () => {
  it('auth=iam has API Gateway check signatures, auth=none nothing; neither makes a key', () => {
    for (const [auth, expected] of [
      ['iam', 'AWS_IAM'],
      ['none', 'NONE'],
    ]) {
      const template = Template.fromJSON(synthTemplate({ auth }) as unknown as Record<string, unknown>);
      template.hasResourceProperties('AWS::ApiGatewayV2::Route', { AuthorizationType: expected });
      template.resourceCountIs('AWS::SecretsManager::Secret', 0);
    }
  });

  it('auth=none refuses jobs by requests, unless anonymousBatch allows them', () => {
    const apiVariables = (context: Record<string, unknown>) => {
      const api = resourcesOf(synthTemplate(context), 'AWS::Lambda::Function').find(
        ({ Properties }) => Properties.PackageType === 'Image',
      );
      assert.ok(api);
      return (api.Properties.Environment as { Variables: Record<string, unknown> }).Variables;
    };
    assert.equal(apiVariables({ auth: 'none' }).BATCH_REQUESTS, 'off');
    const allowed = apiVariables({ auth: 'none', anonymousBatch: 'true', maxJobsPerDay: '7' });
    assert.equal(allowed.BATCH_REQUESTS, undefined);
    assert.equal(allowed.MAX_JOBS_PER_DAY, '7');
  });

  it('monthlyBudgetUsd warns alarmEmail of what is spent and of what is expected', () => {
    const json = synthTemplate({ monthlyBudgetUsd: '50', alarmEmail: 'ops@example.org' });
    const template = Template.fromJSON(json as unknown as Record<string, unknown>);
    template.hasResourceProperties('AWS::Budgets::Budget', {
      Budget: { BudgetType: 'COST', TimeUnit: 'MONTHLY', BudgetLimit: { Amount: 50, Unit: 'USD' } },
      NotificationsWithSubscribers: [
        {
          Notification: { NotificationType: 'ACTUAL', Threshold: 80 },
          Subscribers: [{ SubscriptionType: 'EMAIL', Address: 'ops@example.org' }],
        },
        { Notification: { NotificationType: 'FORECASTED', Threshold: 100 } },
      ],
    });
    const without = Template.fromJSON(synthTemplate() as unknown as Record<string, unknown>);
    without.resourceCountIs('AWS::Budgets::Budget', 0);
  });

  it('network=private leaves no route to the internet and puts functions and tasks inside', () => {
    const json = synthTemplate({ network: 'private' });
    const template = Template.fromJSON(json as unknown as Record<string, unknown>);
    template.resourceCountIs('AWS::EC2::InternetGateway', 0);
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    template.resourceCountIs('AWS::EC2::Route', 0);
    const services = resourcesOf(json, 'AWS::EC2::VPCEndpoint').map(({ Properties }) =>
      resolve(Properties.ServiceName, json).replace('com.amazonaws.us-east-1.', ''),
    );
    assert.deepEqual(services.sort(), ['batch', 'ecr.api', 'ecr.dkr', 'logs', 's3', 'secretsmanager', 'sqs']);
    for (const { Properties, id } of resourcesOf(json, 'AWS::Lambda::Function')) {
      if (!id.startsWith('Custom')) assert(Properties.VpcConfig, `${id} is inside`);
    }
    template.hasResourceProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: { NetworkConfiguration: { AssignPublicIp: 'DISABLED' } },
    });
  });

  it('retainData keeps the bucket and makes nothing that could empty it', () => {
    const template = Template.fromJSON(
      synthTemplate({ retainData: 'true' }) as unknown as Record<string, unknown>,
    );
    template.hasResource('AWS::S3::Bucket', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    template.resourceCountIs('Custom::S3AutoDeleteObjects', 0);
  });

  it('otlpEndpoint reaches the functions and the tasks, and its port is open to go out by; without it nothing is traced', () => {
    const otlpEndpoint = 'https://otel.example.com:4318';
    const json = synthTemplate({ otlpEndpoint });
    const named = resourcesOf(json, 'AWS::Lambda::Function').filter(({ Properties }) =>
      JSON.stringify(Properties).includes('STORE'),
    );
    assert.equal(named.length, 3);
    for (const { Properties, id } of named) {
      const { Variables } = Properties.Environment as { Variables: Record<string, unknown> };
      assert.equal(Variables.OTEL_EXPORTER_OTLP_ENDPOINT, otlpEndpoint, id);
    }
    const template = Template.fromJSON(json as unknown as Record<string, unknown>);
    template.hasResourceProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: {
        Environment: Match.arrayWith([{ Name: 'OTEL_EXPORTER_OTLP_ENDPOINT', Value: otlpEndpoint }]),
      },
    });
    const ports = (of: typeof json) =>
      resourcesOf(of, 'AWS::EC2::SecurityGroup')
        .flatMap(({ Properties }) => (Properties.SecurityGroupEgress ?? []) as { ToPort: number }[])
        .map(({ ToPort }) => ToPort);
    assert.deepEqual(ports(json), [443, 4318]);
    const without = synthTemplate();
    assert.deepEqual(ports(without), [443]);
    assert.ok(!JSON.stringify(without).includes('OTEL_'));
  });

  it('spot=false, sizes, architecture, storage and e-mail arrive where they belong', () => {
    const template = Template.fromJSON(
      synthTemplate({
        spot: 'false',
        architecture: 'arm64',
        taskVcpu: '4',
        taskMemoryMb: '8192',
        taskStorageGib: '50',
        lambdaMemoryMb: '5307',
        lambdaMaxConcurrency: '7',
        alarmEmail: 'ops@example.org',
      }) as unknown as Record<string, unknown>,
    );
    template.resourceCountIs('AWS::Batch::ComputeEnvironment', 1);
    template.hasResourceProperties('AWS::Batch::JobDefinition', {
      ContainerProperties: {
        RuntimePlatform: { CpuArchitecture: 'ARM64' },
        EphemeralStorage: { SizeInGiB: 50 },
        ResourceRequirements: Match.arrayWith([{ Type: 'VCPU', Value: '4' }]),
      },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      PackageType: 'Image',
      Architectures: ['arm64'],
      MemorySize: 5307,
      ReservedConcurrentExecutions: 7,
    });
    template.allResourcesProperties('AWS::CloudWatch::Alarm', { AlarmActions: Match.anyValue() });
  });
});
