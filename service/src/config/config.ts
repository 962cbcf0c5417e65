import { availableParallelism } from 'node:os';
import { Type } from 'typebox';
import { cacheFolder } from '../../../models/cache-folder.mjs';
import { defaultModelsDir } from '../../../models/folders.ts';
import { AppError } from '../domain/errors.ts';
import { isLoopbackName } from '../domain/host-names.ts';
import { parseEnvironment } from './parse.ts';
import { integer } from './setting-types.ts';
import { configSchema, type Settings } from './settings.ts';

/** What a line of 5 Mbit/s sends within REQUEST_TIMEOUT_MS. */
const MAX_FORM_BYTES = 64 * 1024 ** 2;

/** The validated settings. */
export interface Config extends Readonly<Omit<Settings, 'API_KEYS' | 'ALLOWED_HOSTS' | 'CORS_ORIGINS'>> {
  readonly API_KEYS: readonly string[];
  /** Lower-case host names that requests may use besides loopback names; undefined: any. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Origins as browsers write them: lower case, without default ports. */
  readonly corsOrigins: readonly string[];
  /** True if only this machine can reach the server. */
  readonly isLoopback: boolean;
  /** CACHE_DIR, or its default. */
  readonly cacheDir: string;
  /** MODELS_DIR, or its default. */
  readonly modelsDir: string;
  /** Maximum bytes of an image in a request body: MAX_IMAGE_BYTES, or less if the platform accepts less. */
  readonly maxUploadBytes: number;
  /** Maximum bytes of a form to POST /batch: 64 MiB, or less if the platform accepts less. */
  readonly maxFormBytes: number;
  /** Larger results are sent by the store itself, if it can. */
  readonly maxResponseBytes: number;
  /** The models that MODEL and MODELS name; empty when neither is set. */
  readonly models: readonly string[];
  /** Number of CPU threads of the engine. */
  readonly cpus: number;
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
 * @param source name of the setting, for the message; its value is a secret
 * @throws AppError INVALID_CONFIGURATION if there is no key: an empty list would disable authentication
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
 * Parses and validates the environment.
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
    maxResponseBytes: Number.POSITIVE_INFINITY,
    cpus: availableParallelism(),
  };
}

const serveSchema = Type.Object({
  SAGEMAKER_BIND_TO_PORT: integer(0, 65_535, 8080, 'port that SageMaker assigns to the container'),
});

/** loadConfig for `serve`, the argument with which SageMaker starts a container: listens on every address. */
export function loadServeConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const { SAGEMAKER_BIND_TO_PORT } = parseEnvironment(serveSchema, environment);
  return loadConfig({ HOST: '0.0.0.0', PORT: String(SAGEMAKER_BIND_TO_PORT), ...environment });
}

/** loadConfig for AWS Lambda: no port is open, and API Gateway controls the host names. */
export function loadLambdaConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig({ ...environment, ALLOWED_HOSTS: environment.ALLOWED_HOSTS || '*' });
}

/** Keeps TensorFlow's notes off stderr unless the environment sets a level. Call it before the first import. */
export function quietTensorFlow(): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
}
