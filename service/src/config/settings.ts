import { type Static, Type } from 'typebox';
import { integer, oneOf, optionalString } from './setting-types.ts';

const HOST_NAME = '(\\*|[A-Za-z0-9][A-Za-z0-9._-]{0,252}|\\[[0-9A-Fa-f:.]{2,45}\\])';
const ORIGIN = 'https?://([A-Za-z0-9][A-Za-z0-9._-]{0,252}|\\[[0-9A-Fa-f:.]{2,45}\\])(:[0-9]{1,5})?';

/** Every setting, its bounds, its default and what it is for. docs/configuration.md is checked against this schema. */
export const configSchema = Type.Object({
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'address to listen on' }),
  PORT: integer(0, 65_535, 8080, 'port to listen on; 0 takes a free one'),
  LOG_LEVEL: oneOf(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'info',
    'minimum level of log lines',
  ),
  MODEL: Type.String({
    default: 'resnet50',
    pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$',
    description: 'default model',
  }),
  MODELS: optionalString(
    'comma-separated names of the models to serve; default: MODEL alone',
    '^[a-z0-9][a-z0-9_.-]{0,63}(,[a-z0-9][a-z0-9_.-]{0,63}){0,31}$',
  ),
  STRICT_MODELS: oneOf(
    ['on', 'off'],
    'on',
    'on: a model that cannot be loaded stops the start; off: requests to it are refused, the other models serve',
  ),
  MODELS_DIR: optionalString('directory of model directories; default: models/ of this package'),
  SM_MODEL_DIR: Type.String({
    minLength: 1,
    default: '/opt/ml/model',
    description: 'directory of a model artefact; one with a manifest.json replaces the default model',
  }),
  CACHE_DIR: optionalString(
    'cache directory of downloads and compiled models; default: ~/.cache/ml-serverless',
  ),
  ENGINE: oneOf(
    ['auto', 'tensorflow', 'wasm'],
    'auto',
    'engine of tfjs models; auto: TensorFlow, or WebAssembly if TensorFlow cannot be loaded',
  ),
  PRECISION: oneOf(
    ['auto', 'float32', 'bfloat16', 'int8'],
    'auto',
    'arithmetic; auto: the fastest on this CPU that loses at most half a point of accuracy',
  ),
  MAX_IMAGE_BYTES: integer(1024, 1_073_741_824, 20_971_520, 'maximum bytes of an image'),
  MAX_IMAGE_PIXELS: integer(1, 1_000_000_000, 50_000_000, 'maximum pixels of an image (width x height)'),
  DECODE_MEMORY_MB: integer(
    16,
    1_048_576,
    1024,
    'memory for decoders in MiB; an image waits until enough is free; a larger one is decoded alone',
  ),
  MAX_JSON_BYTES: integer(
    1024,
    1_073_741_824,
    2_097_152,
    'maximum bytes of a JSON body without its base64 images; for JSON Lines, of each line',
  ),
  BODY_MEMORY_MB: integer(
    1,
    1_048_576,
    256,
    'memory for request bodies in MiB; beyond it, the response is 503 OVERLOADED',
  ),
  MAX_ROWS: integer(1, 1_000_000, 10_000, 'maximum rows per request to a tabular model'),
  MAX_BATCH: integer(1, 128, 8, 'maximum batch size of inference'),
  MAX_BATCH_DELAY_MS: integer(
    0,
    1000,
    2,
    'maximum wait for a fuller batch in ms, while other images are decoded or inferred',
  ),
  ENGINE_TIMEOUT_MS: integer(
    1000,
    600_000,
    30_000,
    'timeout of one batch in ms; then the engine counts as hung and is replaced',
  ),
  MAX_QUEUE: integer(
    1,
    100_000,
    256,
    'maximum images in the queue; beyond it, the response is 503 OVERLOADED',
  ),
  REQUEST_TIMEOUT_MS: integer(1000, 3_600_000, 120_000, 'request body timeout in ms'),
  STORE: Type.String({
    default: 'file:./data',
    pattern: '^(file:.+|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$',
    description: 'object store: file:<folder> or s3://<bucket>',
  }),
  S3_ENDPOINT: optionalString('URL of an S3-compatible server (path-style)', '^https?://'),
  S3_PUBLIC_ENDPOINT: optionalString(
    'URL at which clients reach the server of S3_ENDPOINT, for the URLs of POST /uploads; default: the service itself receives uploads',
    '^https?://',
  ),
  JOBS: oneOf(['local', 'aws-batch'], 'local', 'queue of batch jobs'),
  JOB_QUEUE_ARN: optionalString('AWS Batch job queue (JOBS=aws-batch)'),
  JOB_DEFINITION_ARN: optionalString('AWS Batch job definition (JOBS=aws-batch)'),
  START_QUEUE_URL: optionalString(
    'SQS queue of recorded jobs to plan and submit (JOBS=aws-batch); default: the process of the request does this itself',
    '^https?://',
  ),
  BATCH_REQUESTS: oneOf(
    ['on', 'off'],
    'on',
    'off: POST /uploads, POST /batch and DELETE /batch/{jobId} respond 405, and only the drop creates jobs',
  ),
  MAX_JOB_INPUTS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'maximum inputs per job; a job with more ends as FAILED; default: no limit',
    }),
  ),
  MAX_JOBS_PER_DAY: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 100_000,
      description:
        'maximum jobs that requests create in 24 hours; then the response is 429 RATE_LIMITED; default: no limit',
    }),
  ),
  BATCH_ENDPOINT: optionalString('URL of an API compatible with AWS Batch, for tests', '^https?://'),
  LOCAL_WORKERS: integer(
    1,
    64,
    1,
    'concurrent worker processes (JOBS=local); each uses all CPUs and loads the model',
  ),
  SHARD_SIZE: integer(1, 1_000_000, 5_000, 'maximum inputs per shard (one worker); 5,000 take 1-3 minutes'),
  CHUNK_SIZE: integer(1, 10_000, 128, 'maximum inputs per chunk, the unit of retry'),
  WORKER_MEMORY_MB: integer(16, 65_536, 256, 'memory of a worker for image files in MiB'),
  WORKER_TIMEOUT_MS: integer(
    1000,
    86_400_000,
    600_000,
    'timeout in ms without a finished input; then the worker is killed and its shard retried',
  ),
  JOB_RETENTION_DAYS: integer(
    0,
    36_500,
    90,
    'days after its end until a job is removed from jobs/ (JOBS=local with a folder or an S3_ENDPOINT); 0: never; input/ and output/ stay',
  ),
  DROP: oneOf(
    ['auto', 'on', 'off'],
    'auto',
    'classify new files under input/ of the store; auto: with JOBS=local and a folder or an S3_ENDPOINT',
  ),
  DROP_INTERVAL_MS: integer(
    200,
    3_600_000,
    5_000,
    'interval in ms between listings of an S3-compatible store for new objects',
  ),
  API_KEYS: optionalString(
    'comma-separated keys; if set, requests need one in x-api-key or as a bearer token',
  ),
  API_KEYS_SECRET_ARN: optionalString('AWS Secrets Manager secret that contains API_KEYS'),
  ALLOWED_HOSTS: optionalString(
    'comma-separated host names without port that requests may use besides loopback names; *: any; default: none if HOST is a loopback address, else any',
    `^${HOST_NAME}(,${HOST_NAME}){0,63}$`,
  ),
  CORS_ORIGINS: optionalString(
    'comma-separated origins of web pages that may call the API, such as https://app.example.com; default: none',
    `^${ORIGIN}(,${ORIGIN}){0,63}$`,
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: optionalString(
    'collector of OpenTelemetry traces (OTLP/HTTP with JSON); default: no tracing',
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
    description: 'share of new traces that are sampled, 0 to 1',
  }),
  AWS_LAMBDA_FUNCTION_NAME: optionalString(
    'set by AWS Lambda; metrics are then logged in Embedded Metric Format',
  ),
});

export type Settings = Static<typeof configSchema>;
