import { type Static, Type } from 'typebox';
import { parseEnvironment } from './parse.ts';
import { integer, optionalString } from './setting-types.ts';

const NUMBERS = '^\\d+(,\\d+)*$';

const workerSchema = Type.Object({
  JOB_URI: Type.String({
    pattern: '^(file|s3)://.+/jobs/[A-Za-z0-9_-]{1,128}/job\\.json$',
    description: 'address of the job: <store>/jobs/<jobId>/job.json',
  }),
  AWS_BATCH_JOB_ARRAY_INDEX: integer(0, 9_999, 0, 'index of the shard; not set for a job of one shard'),
  AWS_BATCH_JOB_ATTEMPT: integer(1, 1_000, 1, 'number of the attempt, from 1'),
  WORKER_STOP_AFTER_MS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 2_147_483_647,
      description:
        'ms after its start at which the worker stops at the end of a chunk and exits with 75; default: never',
    }),
  ),
  SUPERVISED: optionalString('set by a supervising worker for its child process', '^1$'),
  CAREFUL_CHUNKS: optionalString('chunks whose inputs are classified one at a time', NUMBERS),
  CRASHERS: optionalString('indexes in the shard of inputs that get an error row', NUMBERS),
  // No pattern: by W3C Trace Context, a receiver starts a new trace if it cannot parse the value.
  TRACEPARENT: optionalString('trace of the job (W3C Trace Context)'),
});

/** The settings of a worker process, set by AWS Batch or the local queue. */
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
 * The environment of a worker process: this process's, with `extra` added and without the API keys.
 */
export function workerEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { API_KEYS: _, ...rest } = process.env;
  return { ...rest, ...extra };
}
