import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FARGATE_VCPUS, fargateMemoriesMb, fargateSizeFault } from '../lib/fargate-sizes.ts';
import { describeParameters, parameterSchema, parseParameters } from '../lib/parameters.ts';

const refused = (given: Record<string, unknown>, pattern: RegExp) =>
  assert.throws(
    () => parseParameters(given),
    (error: Error) => {
      assert.match(error.message, pattern);
      assert(!error.message.includes('\n'), 'one line');
      assert.equal((error as { code?: string }).code, 'INVALID_CONFIGURATION');
      return true;
    },
  );

describe('parameters', () => {
  it('have defaults for everything that has to be there', () => {
    assert.deepEqual(parseParameters({}), {
      auth: 'key',
      network: 'public',
      retainData: false,
      architecture: 'x86_64',
      lambdaMemoryMb: 3008,
      anonymousBatch: false,
      maxJobInputs: 1_000_000,
      maxJobsPerDay: 1000,
      throttleRate: 50,
      throttleBurst: 100,
      taskVcpu: 2,
      taskMemoryMb: 4096,
      taskStorageGib: 20,
      taskTimeoutMinutes: 60,
      taskAttempts: 5,
      maxVcpus: 64,
      spot: true,
      dispatchWindowSeconds: 20,
      jobRetentionDays: 30,
      logRetentionDays: 30,
      sagemaker: 'off',
      sagemakerMode: 'real-time',
      sagemakerMemoryMb: 3072,
      sagemakerMaxConcurrency: 5,
    });
  });

  it('come from the command line as text and become numbers and booleans', () => {
    const parameters = parseParameters({
      spot: 'false',
      lambdaMemoryMb: '3538',
      taskVcpu: '0.5',
      taskMemoryMb: '1024',
      logRetentionDays: '365',
    });
    assert.equal(parameters.spot, false);
    assert.equal(parameters.lambdaMemoryMb, 3538);
    assert.equal(parameters.taskVcpu, 0.5);
    assert.equal(parameters.logRetentionDays, 365);
  });

  it("leave the CDK's own context alone", () => {
    assert.doesNotThrow(() =>
      parseParameters({
        '@aws-cdk/core:x': true,
        'aws:cdk:toolkit': 1,
        'availability-zones:account=1:region=r': [],
      }),
    );
  });

  it('are refused by one line that names the parameter and what it takes', () => {
    refused({ auth: 'basic' }, /^-c auth=basic: one of key, iam, none/);
    refused({ lambdaMemoryMb: '20000' }, /^-c lambdaMemoryMb=20000: a whole number from 1024 to 10240/);
    refused({ lambdaMemoryMb: '3008.5' }, /^-c lambdaMemoryMb=3008.5: a whole number/);
    refused({ spot: 'maybe' }, /^-c spot=maybe: true or false/);
    refused({ taskVcpu: 'two' }, /^-c taskVcpu=two: one of 0.25, 0.5, 1, 2, 4, 8, 16/);
    refused({ logRetentionDays: '31' }, /^-c logRetentionDays=31: one of 1, 3, 5/);
    refused({ imageUri: '111122223333.dkr.ecr.us-east-1.amazonaws.com/x:latest' }, /@sha256:<digest>/);
    refused({ alarmEmail: 'nobody' }, /^-c alarmEmail=nobody: an e-mail address/);
    refused({ otlpEndpoint: 'collector:4318' }, /^-c otlpEndpoint=collector:4318: https:\/\/<host>/);
    refused({ maxVcpus: '1' }, /less than one task needs/);
    refused({ monthlyBudgetUsd: '50' }, /^-c monthlyBudgetUsd=50: set -c alarmEmail/);
    refused({ anonymousBatch: 'true' }, /^-c anonymousBatch=true: only with -c auth=none/);
    refused({ taskTimeoutMinutes: '4' }, /^-c taskTimeoutMinutes=4: a whole number from 5 to 1440/);
  });

  it('take a collector of traces without secrets in its address, and in clear only inside a private network', () => {
    for (const otlpEndpoint of ['https://otel.example.com', 'https://otel.example.com:4318/team/a']) {
      assert.equal(parseParameters({ otlpEndpoint }).otlpEndpoint, otlpEndpoint);
    }
    const inside = { otlpEndpoint: 'http://10.0.0.5:4318', network: 'private' };
    assert.equal(parseParameters(inside).otlpEndpoint, inside.otlpEndpoint);
    refused({ ...inside, network: 'public' }, /^-c otlpEndpoint=http:\S+: https:\/\/ only/);
    refused({ otlpEndpoint: 'https://me:secret@otel.example.com' }, /no user or password/);
    refused({ otlpEndpoint: 'https://otel.example.com/?key=1' }, /otlpEndpoint/);
    refused({ otlpEndpoint: 'https://[::1' }, /not an address/);
    refused({ otlpEndpoint: 'https://otel.example.com:99999' }, /not an address/);
  });

  it('that do not exist are refused with those that do', () => {
    refused({ memroy: '3008' }, /^-c memroy: no such parameter; there are auth, network/);
  });

  it('are each described with their default', () => {
    const help = describeParameters();
    for (const [name, schema] of Object.entries(parameterSchema.properties)) {
      const { default: fallback, description } = schema as { default?: unknown; description?: string };
      assert(description, `${name} has a description`);
      assert(help.includes(`-c ${name}=${fallback ?? '…'}`), `${name} is in the help with its default`);
      assert(help.replaceAll(/\n {33}/g, ' ').includes(description), `${name} is described in full`);
    }
    // One word may be longer than that: the address of an image.
    for (const line of help.split('\n')) assert(line.length <= 100 || /^ *\S+$/.test(line), line);
  });
});

describe('Fargate sizes', () => {
  /** The ECS developer guide's table of task sizes, in GiB, written out. */
  const TABLE: Record<string, number[]> = {
    0.25: [0.5, 1, 2],
    0.5: [1, 2, 3, 4],
    1: [2, 3, 4, 5, 6, 7, 8],
    2: Array.from({ length: 13 }, (_, i) => 4 + i),
    4: Array.from({ length: 23 }, (_, i) => 8 + i),
    8: Array.from({ length: 12 }, (_, i) => 16 + 4 * i),
    16: Array.from({ length: 12 }, (_, i) => 32 + 8 * i),
  };

  it('are those of the developer guide', () => {
    assert.deepEqual(
      FARGATE_VCPUS,
      Object.keys(TABLE)
        .map(Number)
        .sort((a, b) => a - b),
    );
    for (const [vcpu, gib] of Object.entries(TABLE)) {
      assert.deepEqual(
        fargateMemoriesMb(Number(vcpu)),
        gib.map((size) => size * 1024),
        `${vcpu} vCPU`,
      );
    }
  });

  it('that do not exist are refused before anything is deployed', () => {
    assert.equal(fargateSizeFault(2, 4096), undefined);
    refused(
      { taskVcpu: 2, taskMemoryMb: 2048 },
      /taskMemoryMb=2048 does not go with taskVcpu=2 .* use 4096 to 16384 in steps of 1024/,
    );
    refused({ taskVcpu: 8, taskMemoryMb: 17_408 }, /use 16384 to 61440 in steps of 4096/);
    assert.match(fargateSizeFault(3, 4096) ?? '', /taskVcpu=3 is not a Fargate size/);
  });
});
