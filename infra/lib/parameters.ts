import type { Node } from 'constructs';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AppError } from '../../service/src/domain/errors.ts';
import { FARGATE_VCPUS, fargateSizeFault } from './fargate-sizes.ts';
import { hanging } from './hanging.ts';
import { flag, integer, oneOf } from './parameter-types.ts';
import { sagemakerFault, sagemakerProperties } from './sagemaker-parameters.ts';
import { collectorFault } from './tracing.ts';

/** The retention periods that CloudWatch Logs supports, in days. */
const RETENTION_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653] as const;

/** Every parameter of the stack (`-c name=value`) with bounds, default and description. */
export const parameterSchema = Type.Object(
  {
    auth: oneOf(
      ['key', 'iam', 'none'],
      'key',
      'authentication of the API; key: x-api-key, generated; iam: signed requests; none: public, without jobs',
    ),
    network: oneOf(
      ['public', 'private'],
      'public',
      'public: tasks have a public address without inbound access, free when idle; private: no route to the internet, VPC endpoints billed by the hour',
    ),
    retainData: flag(false, 'keep the bucket and its objects when the stack is destroyed'),
    architecture: oneOf(['x86_64', 'arm64'], 'x86_64', 'CPU of the image, the API function and the tasks'),
    imageUri: Type.Optional(
      Type.String({
        pattern:
          '^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$',
        description:
          'existing image in ECR of this region, by digest, instead of building docker/Dockerfile (promotion between accounts)',
      }),
    ),
    lambdaMemoryMb: integer(
      1024,
      10_240,
      3008,
      'memory of the API function in MB; 1769 MB is one vCPU; new accounts allow 3008',
    ),
    lambdaMaxConcurrency: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        description:
          'maximum concurrent API environments (reserved concurrency of the account); default: no limit',
      }),
    ),
    anonymousBatch: flag(
      false,
      'with auth=none, allow everyone to create and cancel jobs; otherwise the response is 405',
    ),
    maxJobInputs: integer(1, 50_000_000, 1_000_000, 'maximum inputs per job; a job with more ends as FAILED'),
    maxJobsPerDay: integer(
      1,
      100_000,
      1000,
      'maximum jobs that requests create in 24 hours; then the response is 429',
    ),
    throttleRate: integer(1, 10_000, 50, 'requests per second before the API responds 429'),
    throttleBurst: integer(1, 5000, 100, 'burst of requests above that rate'),
    taskVcpu: oneOf(FARGATE_VCPUS, 2, 'vCPUs of a Batch task'),
    taskMemoryMb: integer(
      512,
      122_880,
      4096,
      'memory of a Batch task in MB; Fargate must offer it for taskVcpu',
    ),
    taskStorageGib: integer(20, 200, 20, 'ephemeral storage of a Batch task in GiB; 20 are free'),
    taskTimeoutMinutes: integer(5, 1440, 60, 'timeout of one attempt of a shard'),
    taskAttempts: integer(1, 10, 5, 'attempts per shard, including the first'),
    maxVcpus: integer(1, 10_000, 64, 'maximum vCPUs of tasks on Spot, and as many on demand'),
    spot: flag(true, 'run tasks on Fargate Spot first; on demand if Spot has no capacity'),
    dispatchWindowSeconds: integer(1, 300, 20, 'how long dropped objects are collected into one job'),
    jobRetentionDays: integer(1, 3650, 30, 'days until jobs/ (requests, shards, result rows) is deleted'),
    logRetentionDays: oneOf(RETENTION_DAYS, 30, 'days until logs are deleted'),
    alarmEmail: Type.Optional(
      Type.String({
        pattern: '^[^@\\s,]+@[^@\\s,.]+(\\.[^@\\s,.]+)+$',
        description: 'email address for alarms (its owner must confirm once)',
      }),
    ),
    monthlyBudgetUsd: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description:
          'monthly budget of the account in USD; alarmEmail is notified at 80 % actual and 100 % forecast; default: none',
      }),
    ),
    otlpEndpoint: Type.Optional(
      Type.String({
        pattern: '^https?://[^/?#\\s]+(/[^?#\\s]*)?$',
        maxLength: 512,
        description:
          'OpenTelemetry collector for traces of functions and tasks (OTLP/HTTP); default: no traces',
      }),
    ),
    ...sagemakerProperties,
  },
  { additionalProperties: false },
);

/** The validated parameters. Memory in MB, rates in requests per second, times in the unit of their name. */
export type Parameters = Readonly<Static<typeof parameterSchema>>;

interface PropertySchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
}

const properties = parameterSchema.properties as unknown as Readonly<Record<string, PropertySchema>>;

/** Context keys of the CDK: feature flags (`@aws-cdk/…`), lookups and settings (`aws:cdk:…`), and one of its CLI. */
const isForeignKey = (key: string): boolean => /[:@/]/.test(key) || key === 'acknowledged-issue-numbers';

/**
 * Validates parameters from `-c` (strings) or from code.
 *
 * @throws AppError INVALID_CONFIGURATION with one line that names the parameter and its allowed values
 */
export function parseParameters(given: Readonly<Record<string, unknown>>): Parameters {
  const known: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (isForeignKey(name)) continue;
    if (!(name in properties)) {
      throw invalid(`-c ${name}: no such parameter; there are ${Object.keys(properties).join(', ')}`);
    }
    if (value !== undefined && value !== '') known[name] = fromText(name, value);
  }
  const candidate = Value.Default(parameterSchema, known);
  const [fault] = Value.Errors(parameterSchema, candidate);
  if (fault) {
    const name = fault.instancePath.slice(1).split('/')[0] ?? '';
    throw invalid(`-c ${name}=${String(given[name])}: ${accepts(name)} (${properties[name]?.description})`);
  }
  const parameters = candidate as Parameters;
  const sizeFault = fargateSizeFault(parameters.taskVcpu, parameters.taskMemoryMb);
  if (sizeFault) throw invalid(`-c ${sizeFault}`);
  const otlpFault = collectorFault(parameters);
  if (otlpFault) throw invalid(`-c otlpEndpoint=${parameters.otlpEndpoint}: ${otlpFault}`);
  const misfit = sagemakerFault(parameters);
  if (misfit) throw invalid(`-c ${misfit}`);
  if (parameters.monthlyBudgetUsd !== undefined && parameters.alarmEmail === undefined) {
    throw invalid(`-c monthlyBudgetUsd=${parameters.monthlyBudgetUsd}: set -c alarmEmail=…, too`);
  }
  if (parameters.anonymousBatch && parameters.auth !== 'none') {
    throw invalid(`-c anonymousBatch=true: only with -c auth=none (auth=${parameters.auth})`);
  }
  if (parameters.maxVcpus < parameters.taskVcpu) {
    throw invalid(
      `-c maxVcpus=${parameters.maxVcpus}: less than one task needs (taskVcpu=${parameters.taskVcpu})`,
    );
  }
  return parameters;
}

/** Validates the parameters in a construct's context. */
export function parametersFromContext(node: Node): Parameters {
  return parseParameters(node.getAllContext() as Record<string, unknown>);
}

/** Help text: one line per parameter with name, default, allowed values and description. */
export function describeParameters(): string {
  return Object.entries(properties)
    .map(([name, { default: fallback, description }]) =>
      hanging(`  -c ${name}=${fallback ?? '…'}`, `${description} [${inShort(accepts(name))}]`),
    )
    .join('\n');
}

const inShort = (what: string) => what.replace(/^(a whole number from|one of|an) /, '');

function accepts(name: string): string {
  const schema = properties[name];
  if (name === 'imageUri') return '<account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<digest>';
  if (name === 'alarmEmail') return 'an e-mail address';
  if (name === 'otlpEndpoint') return 'https://<host>[:<port>][/<path>]';
  if (name === 'modelData') return 's3://<bucket>/<key>.tar.gz';
  if (schema?.enum) return `one of ${schema.enum.join(', ')}`;
  if (schema?.minimum !== undefined) return `a whole number from ${schema.minimum} to ${schema.maximum}`;
  return 'true or false';
}

/**
 * Converts the text of `-c` to the type of the default. TypeBox's own conversion turns 3008.5 into 3008 and leaves numeric
 * enum values as text.
 */
function fromText(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const { default: fallback, minimum } = properties[name] ?? {};
  if (typeof fallback === 'number' || minimum !== undefined)
    return value.trim() === '' ? value : Number(value);
  if (typeof fallback === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  return value;
}

const invalid = (message: string) => new AppError('INVALID_CONFIGURATION', message);
