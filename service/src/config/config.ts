import { availableParallelism } from 'node:os';
import { type Static, type TObject, Type } from 'typebox';
import { Value } from 'typebox/value';
import { cacheFolder } from '../../../models/cache-folder.mjs';
import { defaultModelsDir } from '../../../models/folders.ts';
import { AppError } from '../domain/errors.ts';
import { isLoopbackName } from '../domain/host-names.ts';

const integer = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description });

const optionalString = (description: string, pattern?: string) =>
  Type.Optional(Type.String({ minLength: 1, description, ...(pattern ? { pattern } : {}) }));

const oneOf = <const T extends readonly string[]>(values: T, fallback: T[number], description: string) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values], default: fallback, description });

const HOST_NAME = '(\\*|[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\\[[0-9A-Fa-f:.]{2,45}\\])';
const ORIGIN = 'https?://([A-Za-z0-9][A-Za-z0-9._-]{0,252}|\\[[0-9A-Fa-f:.]{2,45}\\])(:[0-9]{1,5})?';

/** Every setting, its bounds, its default and what it is for. docs/configuration.md is checked against this schema. */
export const configSchema = Type.Object({
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'address to listen on' }),
  PORT: integer(0, 65_535, 8080, 'port to listen on; 0 takes a free one'),
  LOG_LEVEL: oneOf(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'info',
    'least severe level that is logged',
  ),
  MODEL: Type.String({
    default: 'resnet50',
    pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$',
    description: 'model that answers when a request names none',
  }),
  MODELS: optionalString(
    'comma-separated names of the models to serve; default: MODEL alone',
    '^[a-z0-9][a-z0-9_.-]{0,63}(,[a-z0-9][a-z0-9_.-]{0,63}){0,31}$',
  ),
  STRICT_MODELS: oneOf(
    ['on', 'off'],
    'on',
    'what a model that cannot be loaded does; on: it stops the start; off: that one is refused, the others serve',
  ),
  MODELS_DIR: optionalString('folder of model folders; default: models/ of this package'),
  SM_MODEL_DIR: Type.String({
    minLength: 1,
    default: '/opt/ml/model',
    description:
      'folder of a model artefact; one with a manifest.json is served in place of the default model',
  }),
  CACHE_DIR: optionalString('folder of downloaded and compiled files; default: ~/.cache/ml-serverless'),
  ENGINE: oneOf(['auto', 'tensorflow', 'wasm'], 'auto', 'what runs the model'),
  PRECISION: oneOf(
    ['auto', 'float32', 'bfloat16', 'int8'],
    'auto',
    'arithmetic; auto: the fastest that this CPU runs and that loses at most half a point of accuracy',
  ),
  MAX_IMAGE_BYTES: integer(1024, 1_073_741_824, 20_971_520, 'largest image in bytes'),
  MAX_IMAGE_PIXELS: integer(1, 1_000_000_000, 50_000_000, 'largest image in pixels (width x height)'),
  DECODE_MEMORY_MB: integer(
    16,
    1_048_576,
    1024,
    'memory that decoders share, in MiB; a picture waits until there is enough, a larger one is decoded alone',
  ),
  MAX_JSON_BYTES: integer(
    1024,
    1_073_741_824,
    2_097_152,
    'largest JSON body in bytes, not counting base64 images; of JSON Lines, each line',
  ),
  BODY_MEMORY_MB: integer(
    1,
    1_048_576,
    256,
    'request bodies held in memory at once, in MiB; beyond it 503 OVERLOADED',
  ),
  MAX_ROWS: integer(1, 1_000_000, 10_000, 'most rows of one request to a tabular model'),
  MAX_BATCH: integer(1, 128, 8, 'most images inferred together'),
  MAX_BATCH_DELAY_MS: integer(
    0,
    1000,
    2,
    'longest wait for a fuller batch, in milliseconds, while others are at work',
  ),
  ENGINE_TIMEOUT_MS: integer(
    1000,
    600_000,
    30_000,
    'longest wait for the engine to answer a batch, in milliseconds; then it counts as hung and is replaced',
  ),
  MAX_QUEUE: integer(1, 100_000, 256, 'images that may wait for inference; one more gets 503 OVERLOADED'),
  REQUEST_TIMEOUT_MS: integer(1000, 3_600_000, 120_000, 'request body timeout in milliseconds'),
  STORE: Type.String({
    default: 'file:./data',
    pattern: '^(file:.+|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$',
    description: 'object store: file:<folder> or s3://<bucket>',
  }),
  S3_ENDPOINT: optionalString('address of an S3-compatible server (path-style)', '^https?://'),
  JOBS: oneOf(['local', 'aws-batch'], 'local', 'what runs batch jobs'),
  JOB_QUEUE_ARN: optionalString('AWS Batch job queue (JOBS=aws-batch)'),
  JOB_DEFINITION_ARN: optionalString('AWS Batch job definition (JOBS=aws-batch)'),
  START_QUEUE_URL: optionalString(
    'SQS queue that takes recorded jobs to be planned and submitted (JOBS=aws-batch); default: the process that takes the request does it',
    '^https?://',
  ),
  BATCH_REQUESTS: oneOf(
    ['on', 'off'],
    'on',
    'off: POST /batch and DELETE /batch/{jobId} answer 405; jobs come from the drop alone',
  ),
  MAX_JOB_INPUTS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'most inputs of one job; a job with more ends as FAILED; default: no limit',
    }),
  ),
  MAX_JOBS_PER_DAY: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description:
        'most jobs that requests make in 24 hours; one more gets 429 RATE_LIMITED; default: no limit',
    }),
  ),
  BATCH_ENDPOINT: optionalString('address of an AWS Batch compatible API, for tests', '^https?://'),
  LOCAL_WORKERS: integer(
    1,
    64,
    1,
    'worker processes at once (JOBS=local); each one uses all CPUs and loads the model',
  ),
  SHARD_SIZE: integer(
    1,
    1_000_000,
    5_000,
    'most inputs of one shard, which is one worker; 5,000 are one to three minutes of work',
  ),
  CHUNK_SIZE: integer(1, 10_000, 128, 'most inputs of one chunk: what a retry repeats at most'),
  WORKER_MEMORY_MB: integer(16, 65_536, 256, 'images a worker holds in memory at once, in MiB'),
  WORKER_TIMEOUT_MS: integer(
    1000,
    86_400_000,
    600_000,
    'how long a worker may go without finishing an input, in milliseconds; then it is killed and its shard retried',
  ),
  JOB_RETENTION_DAYS: integer(
    0,
    36_500,
    90,
    'days from the end of a job to its removal from jobs/ (JOBS=local with a folder or an S3_ENDPOINT); 0: never; input/ and output/ stay',
  ),
  DROP: oneOf(
    ['auto', 'on', 'off'],
    'auto',
    'classify what appears under input/ of the store; auto: with JOBS=local and a folder or an S3_ENDPOINT',
  ),
  DROP_INTERVAL_MS: integer(
    200,
    3_600_000,
    5_000,
    'how often an S3-compatible store is listed for new objects, in milliseconds',
  ),
  API_KEYS: optionalString(
    'comma-separated keys; when set, requests need one in x-api-key or as a bearer token',
  ),
  API_KEYS_SECRET_ARN: optionalString('secret of AWS Secrets Manager that holds API_KEYS'),
  ALLOWED_HOSTS: optionalString(
    'comma-separated host names, without port, that requests may be sent to, besides loopback names; *: any; default: none where HOST is a loopback address, else any',
    `^${HOST_NAME}(,${HOST_NAME}){0,63}$`,
  ),
  CORS_ORIGINS: optionalString(
    'comma-separated origins, such as https://app.example.com, whose pages may call the API from a browser; default: none',
    `^${ORIGIN}(,${ORIGIN}){0,63}$`,
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: optionalString(
    'collector that OpenTelemetry traces are sent to as OTLP/HTTP with JSON; tracing is off without it',
    '^https?://[^?#\\s]+$',
  ),
  OTEL_SERVICE_NAME: Type.String({
    minLength: 1,
    maxLength: 128,
    default: 'ml-serverless',
    description: 'name of this service in traces',
  }),
  OTEL_TRACES_SAMPLER_ARG: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 1,
    description: 'share of the traces begun here that are kept, 0 to 1',
  }),
  AWS_LAMBDA_FUNCTION_NAME: optionalString('set by AWS Lambda; metrics are then written to the log (EMF)'),
});

/** What a line of 5 Mbit/s sends within REQUEST_TIMEOUT_MS. */
const MAX_FORM_BYTES = 64 * 1024 ** 2;

type Parsed = Static<typeof configSchema>;

/** The parsed, checked environment. */
export interface Config extends Readonly<Omit<Parsed, 'API_KEYS' | 'ALLOWED_HOSTS' | 'CORS_ORIGINS'>> {
  readonly API_KEYS: readonly string[];
  /** Host names in lower case that requests may be sent to, besides loopback names; undefined: any. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Origins as browsers write them: lower case, without default ports. */
  readonly corsOrigins: readonly string[];
  /** True if only this machine can reach the server. */
  readonly isLoopback: boolean;
  /** CACHE_DIR, or its default. */
  readonly cacheDir: string;
  /** MODELS_DIR, or its default. */
  readonly modelsDir: string;
  /** Largest image in the body of a request, in bytes: MAX_IMAGE_BYTES, or less where the platform takes less. */
  readonly maxUploadBytes: number;
  /** Maximum bytes of a form to POST /batch: 64 MiB, or less where the platform accepts less. */
  readonly maxFormBytes: number;
  /** The models that MODEL and MODELS name; empty when neither is set. */
  readonly models: readonly string[];
  /** CPU threads the engine may use. */
  readonly cpus: number;
}

/** Strict: a general conversion would make 80 of "80.5", and a wrong value is to be told, not mended. */
function isNumeral(value: string, type: string | undefined): boolean {
  if (type === 'integer') return /^-?\d+$/.test(value);
  return type === 'number' && /^-?\d+(\.\d+)?$/.test(value);
}

/** The variables a schema names, converted and with defaults. @throws AppError INVALID_CONFIGURATION */
function parseEnvironment<const S extends TObject>(schema: S, environment: NodeJS.ProcessEnv): Static<S> {
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(schema.properties)) {
    const value = environment[name];
    // An empty variable is how compose files and shells say "not set".
    if (value === undefined || value === '') continue;
    const { type } = schema.properties[name] as { type?: string };
    given[name] = isNumeral(value, type) ? Number(value) : value;
  }
  const candidate = Value.Default(schema, given);
  const [fault] = Value.Errors(schema, candidate);
  if (fault) {
    const [missing] = fault.keyword === 'required' ? fault.params.requiredProperties : [];
    const name = missing ?? fault.instancePath.slice(1);
    const description = (schema.properties as Record<string, { description?: string }>)[name]?.description;
    const rule =
      fault.keyword === 'enum' ? `must be one of ${fault.params.allowedValues.join(', ')}` : fault.message;
    throw new AppError(
      'INVALID_CONFIGURATION',
      `${missing ? `${name} is not set` : `${name}=${JSON.stringify(environment[name])} ${rule}`} (${description ?? 'unknown setting'})`,
    );
  }
  return candidate as Static<S>;
}

function allowedHostsOf(text: string | undefined, isLoopback: boolean): readonly string[] | undefined {
  if (text === undefined) return isLoopback ? [] : undefined;
  const hosts = text.toLowerCase().split(',');
  return hosts.includes('*') ? undefined : hosts;
}

function originOf(text: string): string {
  try {
    return new URL(text).origin;
  } catch (error) {
    const message = `CORS_ORIGINS=${JSON.stringify(text)} is not an origin such as https://app.example.com`;
    throw new AppError('INVALID_CONFIGURATION', message, {}, { cause: error });
  }
}

/**
 * Splits a list of API keys at its commas.
 *
 * @param source what the list comes from, for the message; its value is a secret
 * @throws AppError INVALID_CONFIGURATION without any key: an empty list would let everybody in
 */
export function parseKeys(text: string, source: string): readonly string[] {
  const keys = text.split(',').map((key) => key.trim());
  const found = keys.filter((key) => key !== '');
  if (found.length === 0) {
    throw new AppError(
      'INVALID_CONFIGURATION',
      `${source} is set but holds no key; put at least one key into it, or unset it to serve without keys`,
    );
  }
  return found;
}

/**
 * Parses and checks the environment; the only reader of process.env.
 *
 * @throws AppError INVALID_CONFIGURATION with one line that names the variable
 */
export function loadConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const parsed = parseEnvironment(configSchema, environment);
  if (parsed.JOBS === 'aws-batch') {
    for (const name of ['JOB_QUEUE_ARN', 'JOB_DEFINITION_ARN'] as const) {
      if (!parsed[name]) {
        throw new AppError('INVALID_CONFIGURATION', `${name} is not set, and JOBS=aws-batch needs it`);
      }
    }
  }
  const { API_KEYS, ALLOWED_HOSTS, CORS_ORIGINS, ...rest } = parsed;
  const isLoopback = isLoopbackName(parsed.HOST);
  const listed = parsed.MODELS?.split(',') ?? [];
  const isNamed = environment.MODEL !== undefined && environment.MODEL !== '';
  const MODEL = isNamed ? parsed.MODEL : (listed[0] ?? parsed.MODEL);
  return {
    ...rest,
    MODEL,
    models: [...new Set([...(isNamed ? [MODEL] : []), ...listed])],
    isLoopback,
    allowedHosts: allowedHostsOf(ALLOWED_HOSTS, isLoopback),
    corsOrigins: CORS_ORIGINS?.split(',').map(originOf) ?? [],
    API_KEYS: API_KEYS === undefined ? [] : parseKeys(API_KEYS, 'API_KEYS'),
    cacheDir: cacheFolder(environment),
    modelsDir: parsed.MODELS_DIR ?? defaultModelsDir(),
    maxUploadBytes: parsed.MAX_IMAGE_BYTES,
    maxFormBytes: MAX_FORM_BYTES,
    cpus: availableParallelism(),
  };
}

const serveSchema = Type.Object({
  SAGEMAKER_BIND_TO_PORT: integer(0, 65_535, 8080, 'port that SageMaker wants the container to listen on'),
});

/** As loadConfig for `serve`, which is how SageMaker starts a container: every address, and the port it names. */
export function loadServeConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const { SAGEMAKER_BIND_TO_PORT } = parseEnvironment(serveSchema, environment);
  return loadConfig({ HOST: '0.0.0.0', PORT: String(SAGEMAKER_BIND_TO_PORT), ...environment });
}

const NUMBERS = '^\\d+(,\\d+)*$';

/** As loadConfig for AWS Lambda: no port is open, and API Gateway decides which host names lead here. */
export function loadLambdaConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig({ ...environment, ALLOWED_HOSTS: environment.ALLOWED_HOSTS || '*' });
}

const workerSchema = Type.Object({
  JOB_URI: Type.String({
    pattern: '^(file|s3)://.+/jobs/[A-Za-z0-9_-]{1,128}/job\\.json$',
    description: 'address of the job: <store>/jobs/<jobId>/job.json',
  }),
  AWS_BATCH_JOB_ARRAY_INDEX: integer(0, 9_999, 0, 'which shard to work; not set in a job of one shard'),
  AWS_BATCH_JOB_ATTEMPT: integer(1, 1_000, 1, 'which attempt this is, from 1'),
  WORKER_STOP_AFTER_MS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description:
        'when the worker stops at the end of a chunk and exits with 75, in milliseconds since its start; default: never',
    }),
  ),
  // No pattern: W3C Trace Context has a receiver begin a new trace when it cannot read this one.
  SUPERVISED: optionalString('set by a supervising worker for the process that it watches', '^1$'),
  CAREFUL_CHUNKS: optionalString('chunks whose inputs are worked one at a time', NUMBERS),
  CRASHERS: optionalString('indexes in the shard of inputs that get an error row', NUMBERS),
  TRACEPARENT: optionalString('the trace that the job is part of (W3C Trace Context)'),
});

/** What a worker is told by whoever starts it: AWS Batch, or the local queue. */
export type WorkerConfig = Readonly<Static<typeof workerSchema>>;

/**
 * Parses and checks the worker's own variables.
 *
 * @throws AppError INVALID_CONFIGURATION with one line that names the variable
 */
export function loadWorkerConfig(environment: NodeJS.ProcessEnv = process.env): WorkerConfig {
  return parseEnvironment(workerSchema, environment);
}

/** Whether this worker process supervises another one that does the work: from the second attempt on. */
export function isSupervisor(environment: NodeJS.ProcessEnv = process.env): boolean {
  return Number(environment.AWS_BATCH_JOB_ATTEMPT) > 1 && !environment.SUPERVISED;
}

/**
 * This process's environment for a worker process, with `extra` on top. The API keys stay here: a worker serves nobody.
 */
export function workerEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { API_KEYS: _, ...rest } = process.env;
  return { ...rest, ...extra };
}

const cliSchema = Type.Object({
  PORT: configSchema.properties.PORT,
  ML_SERVERLESS_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^/?#@\\s]+(/[^?#\\s]*)?$',
      description: 'address of the service for the command line; default: http://localhost:$PORT',
    }),
  ),
  ML_SERVERLESS_API_KEY: optionalString('API key that the command line sends'),
  NO_COLOR: optionalString('any value: no colours'),
  // npm sets these two for `npm run <script>`: which script it is, and where its user stands.
  npm_lifecycle_event: optionalString('set by npm'),
  INIT_CWD: optionalString('set by npm'),
});

/** What the command line takes from the environment. */
export type CliConfig = Readonly<Static<typeof cliSchema>>;

/**
 * Parses and checks the command line's own variables.
 *
 * @throws AppError INVALID_CONFIGURATION with one line that names the variable
 */
export function loadCliConfig(environment: NodeJS.ProcessEnv = process.env): CliConfig {
  return parseEnvironment(cliSchema, environment);
}

/** Keeps TensorFlow's own notes off stderr, unless the environment wants them; before its first import. */
export function quietTensorFlow(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
}
