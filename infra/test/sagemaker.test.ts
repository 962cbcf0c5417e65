import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { PRICES } from '../../service/src/domain/estimate/prices.ts';
import { hasMoto, MOTO_MISSING, startMoto } from '../../service/test/helpers/moto.ts';
import { describeCosts, estimateCosts } from '../lib/cost.ts';
import { parseParameters } from '../lib/parameters.ts';
import { ACCOUNT, type CfnTemplate, REGION, resolve, resourcesOf } from './helpers/intrinsics.ts';
import { IMAGE_URI, synthTemplate } from './helpers/synth.ts';

const MODEL_DATA = 's3://models-of-mine/wine/model.tar.gz';
const BUCKET = `arn:aws:s3:::ml-serverless-bucket-${ACCOUNT}-${REGION}`;
const LOGS = `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/aws/sagemaker`;
const TYPES = ['Model', 'EndpointConfig', 'Endpoint'].map((name) => `AWS::SageMaker::${name}`);
const run = promisify(execFile);

const only = (template: CfnTemplate, type: string) => {
  const [resource, ...others] = resourcesOf(template, type);
  assert.ok(resource && others.length === 0, `one ${type}`);
  return resource;
};

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

/** All that the execution role may do, as `action resource`, and with a condition where there is one. */
function rightsOf(template: CfnTemplate): string[] {
  const roleId = resolve(only(template, 'AWS::SageMaker::Model').Properties.ExecutionRoleArn, template);
  assert.equal(template.Resources[roleId]?.Properties.ManagedPolicyArns, undefined);
  return resourcesOf(template, 'AWS::IAM::Policy')
    .filter(({ Properties }) => (Properties.Roles as { Ref: string }[]).some(({ Ref }) => Ref === roleId))
    .flatMap(({ Properties }) => (Properties.PolicyDocument as { Statement: Statement[] }).Statement)
    .flatMap(({ Effect, Action, Resource, Condition }) => {
      assert.equal(Effect, 'Allow');
      return [Action].flat().flatMap((action) =>
        [Resource].flat().map((resource) => {
          const condition = Condition ? ` if ${JSON.stringify(Condition)}` : '';
          return `${action} ${resolve(resource, template)}${condition}`;
        }),
      );
    })
    .sort();
}

/** What any container on SageMaker needs; the log group is the argument. */
const runs = (group: string): string[] => [
  'cloudwatch:PutMetricData * if {"StringEquals":{"cloudwatch:namespace":["/aws/sagemaker/Endpoints","/aws/sagemaker/TransformJobs"]}}',
  ...['BatchCheckLayerAvailability', 'BatchGetImage', 'GetDownloadUrlForLayer'].map(
    (action) => `ecr:${action} arn:aws:ecr:us-east-1:111122223333:repository/ml-serverless`,
  ),
  'ecr:GetAuthorizationToken *',
  ...['CreateLogGroup', 'CreateLogStream', 'DescribeLogStreams', 'PutLogEvents'].flatMap((action) => [
    `logs:${action} ${LOGS}/${group}`,
    `logs:${action} ${LOGS}/${group}:log-stream:*`,
  ]),
];

describe('-c sagemaker', () => {
  it('is off by default: nothing of SageMaker is in the template', () => {
    const template = synthTemplate();
    assert.deepEqual(
      Object.values(template.Resources).filter(({ Type }) => Type.includes('SageMaker')),
      [],
    );
    assert.deepEqual(
      Object.keys(template.Outputs).filter((name) => /sagemaker|transform/i.test(name)),
      [],
    );
    assert.equal(describeCosts(parseParameters({})).includes('SageMaker'), false);
  });

  it('=endpoint serves the same image as everything else behind a real-time endpoint, without a way out', () => {
    const template = synthTemplate({ sagemaker: 'endpoint' });
    const model = only(template, 'AWS::SageMaker::Model');
    assert.equal(
      resolve((model.Properties.PrimaryContainer as { Image: unknown }).Image, template),
      IMAGE_URI,
    );
    assert.equal(model.Properties.EnableNetworkIsolation, true);
    const configuration = only(template, 'AWS::SageMaker::EndpointConfig');
    const [variant] = configuration.Properties.ProductionVariants as Record<string, unknown>[];
    assert.deepEqual([variant?.InstanceType, variant?.InitialInstanceCount], ['ml.c6i.large', 1]);
    assert.deepEqual(variant?.ModelName, { 'Fn::GetAtt': [model.id, 'ModelName'] });
    // Neither has a name of its own: a new image must be able to make a new one beside the old one.
    assert.deepEqual(
      [model.Properties.ModelName, configuration.Properties.EndpointConfigName],
      [undefined, undefined],
    );
    const endpoint = only(template, 'AWS::SageMaker::Endpoint');
    assert.equal(resolve(endpoint.Properties.EndpointName, template), 'ml-serverless');
    assert.deepEqual(rightsOf(template), runs('Endpoints/ml-serverless').sort());
  });

  it('has its policy before the model, and its log group, which goes with the stack, before the endpoint', () => {
    const template = synthTemplate({ sagemaker: 'endpoint', logRetentionDays: '7' });
    const dependencies = (type: string) =>
      (only(template, `AWS::SageMaker::${type}`).DependsOn ?? []).map((id) => template.Resources[id]);
    assert.ok(dependencies('Model').some((resource) => resource?.Type === 'AWS::IAM::Policy'));
    const group = dependencies('Endpoint').find((resource) => resource?.Type === 'AWS::Logs::LogGroup');
    assert.equal(resolve(group?.Properties.LogGroupName, template), '/aws/sagemaker/Endpoints/ml-serverless');
    assert.deepEqual([group?.Properties.RetentionInDays, group?.DeletionPolicy], [7, 'Delete']);
  });

  it('lets only SageMaker of this account take the role', () => {
    const template = synthTemplate({ sagemaker: 'endpoint' });
    const roleId = resolve(only(template, 'AWS::SageMaker::Model').Properties.ExecutionRoleArn, template);
    const document = template.Resources[roleId]?.Properties.AssumeRolePolicyDocument as {
      Statement: object[];
    };
    assert.deepEqual(document.Statement, [
      {
        Action: 'sts:AssumeRole',
        Effect: 'Allow',
        Principal: { Service: 'sagemaker.amazonaws.com' },
        Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
      },
    ]);
  });

  it('sagemakerMode=serverless takes memory and concurrency in place of an instance', () => {
    const template = synthTemplate({
      sagemaker: 'endpoint',
      sagemakerMode: 'serverless',
      sagemakerMemoryMb: '4096',
      sagemakerMaxConcurrency: '20',
    });
    const [variant] = only(template, 'AWS::SageMaker::EndpointConfig').Properties.ProductionVariants as [
      Record<string, unknown>,
    ];
    assert.deepEqual(variant.ServerlessConfig, { MemorySizeInMB: 4096, MaxConcurrency: 20 });
    assert.equal(variant.InstanceType, undefined);
    // SageMaker refuses it for serverless endpoints.
    assert.equal(only(template, 'AWS::SageMaker::Model').Properties.EnableNetworkIsolation, false);
  });

  it('modelData is what the container finds in /opt/ml/model, and the role may read that object and no other', () => {
    const template = synthTemplate({ sagemaker: 'endpoint', modelData: MODEL_DATA });
    const { PrimaryContainer } = only(template, 'AWS::SageMaker::Model').Properties;
    assert.equal((PrimaryContainer as { ModelDataUrl: string }).ModelDataUrl, MODEL_DATA);
    const added = rightsOf(template).filter((right) => !runs('Endpoints/ml-serverless').includes(right));
    assert.deepEqual(added, ['s3:GetObject arn:aws:s3:::models-of-mine/wine/model.tar.gz']);
  });

  it('=batch-transform makes a model and no endpoint; its jobs may read what was dropped and write beside it', () => {
    const template = synthTemplate({ sagemaker: 'batch-transform', sagemakerInstance: 'ml.c7i.xlarge' });
    assert.deepEqual(
      TYPES.map((type) => resourcesOf(template, type).length),
      [1, 0, 0],
    );
    const rights = [
      ...runs('TransformJobs'),
      `s3:GetObject ${BUCKET}/input/*`,
      `s3:GetObject ${BUCKET}/transform/*`,
      `s3:ListBucket ${BUCKET}`,
      `s3:PutObject ${BUCKET}/transform/output/*`,
    ];
    assert.deepEqual(rightsOf(template), rights.sort());
    const command = resolve(template.Outputs.transformImagesCommand?.Value, template);
    assert.match(command, /InstanceType=ml\.c7i\.xlarge,InstanceCount=1$/);
  });

  it('is refused in one line where values are wrong or do not go together', () => {
    const arm64 = { architecture: 'arm64' };
    for (const [given, pattern] of [
      [{ sagemaker: 'yes' }, /^-c sagemaker=yes: one of off, endpoint, batch-transform \(/],
      [{ sagemakerMode: 'async' }, /^-c sagemakerMode=async: one of real-time, serverless \(/],
      [
        { sagemakerInstance: 'ml.p4d.24xlarge' },
        /^-c sagemakerInstance=ml\.p4d\.24xlarge: one of ml\.c6i\.large, /,
      ],
      [
        { sagemaker: 'endpoint', sagemakerMemoryMb: '3000' },
        /^-c sagemakerMemoryMb=3000: one of 1024, 2048, /,
      ],
      [{ sagemakerMaxConcurrency: '201' }, /^-c sagemakerMaxConcurrency=201: a whole number from 1 to 200 /],
      [{ modelData: MODEL_DATA }, /^-c modelData: there is no SageMaker model; add -c sagemaker=endpoint or/],
      [
        { sagemaker: 'endpoint', modelData: 's3://b/model.zip' },
        /^-c modelData=.*: s3:\/\/<bucket>\/<key>\.tar\.gz \(/,
      ],
      [{ sagemaker: 'endpoint', modelData: 's3://bucket/*.tar.gz' }, /^-c modelData=/],
      [{ sagemaker: 'batch-transform', sagemakerMode: 'serverless' }, /batch-transform cannot$/],
      [{ sagemaker: 'batch-transform', ...arm64 }, /runs transform jobs on x86_64 only/],
      [
        { sagemaker: 'endpoint', sagemakerMode: 'serverless', ...arm64 },
        /serverless endpoints on x86_64 only/,
      ],
      [
        { sagemaker: 'endpoint', sagemakerInstance: 'ml.c7i.large', ...arm64 },
        /not arm64, .* use one of ml\.c7g\.large,/,
      ],
      [
        { sagemaker: 'endpoint', sagemakerInstance: 'ml.c7g.large' },
        /not x86_64, .* use one of ml\.c6i\.large,/,
      ],
    ] as const) {
      assert.throws(
        () => parseParameters(given),
        (error: Error & { code?: string }) => {
          assert.match(error.message, pattern);
          assert.ok(!error.message.includes('\n'), 'one line');
          return error.code === 'INVALID_CONFIGURATION';
        },
      );
    }
    assert.doesNotThrow(() => parseParameters({ sagemaker: 'endpoint', ...arm64 }));
  });

  it('costs what its instance costs by the hour, or nothing while idle', () => {
    const idle = estimateCosts(parseParameters({})).idle.usd;
    const costs = (given: Record<string, unknown>) => estimateCosts(parseParameters(given));
    const hourly = costs({ sagemaker: 'endpoint' });
    const added = hourly.idle.usd - idle;
    assert.ok(Math.abs(added - PRICES.sagemaker.instanceHour['ml.c6i.large'] * 730) < 1e-9, `${added}`);
    const serverless = costs({ sagemaker: 'endpoint', sagemakerMode: 'serverless' });
    assert.deepEqual([serverless.idle.usd, hourly.sagemaker], [idle, undefined]);
    assert.ok((serverless.sagemaker?.usd ?? 0) > 0);
    const small = costs({ sagemaker: 'batch-transform' });
    const large = costs({ sagemaker: 'batch-transform', sagemakerInstance: 'ml.c6i.4xlarge' });
    assert.equal(small.idle.usd, idle);
    const difference = (large.sagemaker?.usd ?? 0) - (small.sagemaker?.usd ?? 0);
    assert.ok(Math.abs(difference) < 1e-6, 'eight times the CPUs for eight times the price');
    assert.match(
      describeCosts(parseParameters({ sagemaker: 'batch-transform' })),
      /a million images by SageMaker/,
    );
  });
});

const hasAws = spawnSync('aws', ['--version']).status === 0;
describe('the commands that the stack prints for transform jobs', {
  skip: hasAws ? (hasMoto() ? false : MOTO_MISSING) : 'needs the AWS CLI',
}, () => {
  it('are taken by the AWS CLI as they stand, and ask for what the container answers', async () => {
    const template = synthTemplate({ sagemaker: 'batch-transform' });
    const moto = await startMoto();
    try {
      const env = {
        PATH: process.env.PATH,
        AWS_ENDPOINT_URL: moto.endpoint,
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_DEFAULT_REGION: REGION,
      };
      const jobs = [];
      for (const name of ['transformImagesCommand', 'transformRowsCommand']) {
        const command = resolve(template.Outputs[name]?.Value, template);
        const { stdout } = await run('sh', ['-c', command], { env });
        const { TransformJobArn } = JSON.parse(stdout) as { TransformJobArn: string };
        const job = TransformJobArn.split('/').at(-1) ?? '';
        assert.match(job, /^ml-serverless-\d{10}$/);
        const describe = ['sagemaker', 'describe-transform-job', '--transform-job-name', job];
        jobs.push(JSON.parse((await run('aws', describe, { env })).stdout));
        // Names end in the second they are made in.
        await new Promise((resolve) => setTimeout(resolve, 1100));
      }
      const model = resourcesOf(template, 'AWS::SageMaker::Model')[0]?.id;
      const bucket = `s3://ml-serverless-bucket-${ACCOUNT}-${REGION}`;
      for (const job of jobs) {
        assert.equal(job.ModelName, `${model}`);
        assert.deepEqual(job.TransformInput.DataSource.S3DataSource, {
          S3DataType: 'S3Prefix',
          S3Uri: `${bucket}/transform/input/`,
        });
        assert.equal(job.TransformOutput.S3OutputPath, `${bucket}/transform/output/`);
        assert.deepEqual(job.TransformResources, { InstanceType: 'ml.c6i.large', InstanceCount: 1 });
      }
      const asked = jobs.map(({ TransformInput, TransformOutput, BatchStrategy }) => [
        [TransformInput.ContentType, TransformInput.SplitType, BatchStrategy],
        [TransformOutput.Accept, TransformOutput.AssembleWith],
      ]);
      assert.deepEqual(asked, [
        [
          ['application/x-image', 'None', 'SingleRecord'],
          ['application/json', 'None'],
        ],
        [
          ['text/csv', 'Line', 'MultiRecord'],
          ['text/csv', 'Line'],
        ],
      ]);
    } finally {
      await moto.close();
    }
  });
});
