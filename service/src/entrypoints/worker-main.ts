import { createLogger } from '../app/logger.ts';
import { createWorkerServices } from '../app/services.ts';
import { readJob } from '../batch/job-records.ts';
import { itemClassifierOf } from '../batch/worker/item-classifier.ts';
import { workShard } from '../batch/worker/shard.ts';
import type { WorkProgress } from '../batch/worker/work-options.ts';
import { type Config, loadConfig } from '../config/config.ts';
import { loadWorkerConfig } from '../config/worker.ts';
import type { Models } from '../domain/classifier.ts';
import { AppError, isAppError } from '../domain/errors.ts';
import type { Job } from '../domain/job/job.ts';
import { parseJobUri } from '../domain/job/job-layout.ts';
import { buildWorkerApp } from '../http/core.ts';
import { dropWarmThread } from '../inference/engines/thread/start.ts';
import { EXIT_CONFIGURATION, sendToParent } from '../jobs/worker-process.ts';

/**
 * Works one shard of one job and exits. It runs the server's app without HTTP: `ready` loads the model, `close` drains it.
 *
 *   0   every input of the shard has a row, or the job's deadline has passed: nothing is left to run
 *   1   a fault of the system (store away, engine dead): run it again
 *   75  out of time (WORKER_STOP_AFTER_MS): stopped at the edge of a chunk, before AWS Batch's timeout, which it does not
 *       retry: run it again, finished chunks are skipped (EX_TEMPFAIL of sysexits.h)
 *   78  a wrong setting: running it again would not help
 *   143 stopped by SIGTERM (or by the end of its parent) at the edge of a chunk: run it again, finished chunks are skipped
 */
const EXIT = { done: 0, fault: 1, outOfTime: 75, configuration: EXIT_CONFIGURATION, stopped: 143 } as const;

/** Below the 30 s between SIGTERM and SIGKILL at AWS Batch, with time to spare for closing. */
const GRACE_MS = 20_000;

/** Minimum interval between two progress messages, in milliseconds. */
const PROGRESS_MS = 500;

let lastProgressAt = 0;
/** Number of rows written, by `OK` or error code. */
let rows: Readonly<Record<string, number>> | undefined;

/** Until this is true, the end of the process is a crash, whatever its status: a hook may call process.exit(0). */
let isOver = false;
process.on('exit', () => {
  if (!isOver) process.exitCode = EXIT.fault;
});

const OUT_OF_TIME = 'out of time';

const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
process.on('SIGINT', () => stop.abort());
// The local queue holds the other end of this channel: it closes when that process dies.
process.on('disconnect', () => stop.abort());

async function work(): Promise<number> {
  const {
    JOB_URI,
    AWS_BATCH_JOB_ARRAY_INDEX: shard,
    AWS_BATCH_JOB_ATTEMPT: attempt,
    CAREFUL_CHUNKS,
    CRASHERS,
    TRACEPARENT: parent,
    WORKER_STOP_AFTER_MS: stopAfterMs,
  } = loadWorkerConfig();
  if (stopAfterMs !== undefined) {
    setTimeout(() => stop.abort(OUT_OF_TIME), Math.max(0, stopAfterMs - performance.now())).unref();
  }
  const { storeUri, jobId } = parseJobUri(JOB_URI);
  const config: Config = { ...loadConfig(), STORE: storeUri };
  const logger = createLogger(config.LOG_LEVEL).child({ jobId, shard, attempt });
  const services = await createWorkerServices(config, logger);
  const app = await buildWorkerApp(services);
  try {
    const { config, models, objects } = app;
    const { tracing } = services;
    const attributes = { 'job.id': jobId, 'job.shard': shard, 'job.attempt': attempt };
    const [job] = await Promise.all([readJob(objects, jobId), app.ready()]);
    assertPrecision(job, models);
    const result = await tracing.span('work shard', { kind: 'consumer', parent, attributes }, () =>
      workShard({
        objects,
        classifier: itemClassifierOf(models, job.model),
        job,
        shard,
        concurrency: Math.min(4 * config.MAX_BATCH, config.MAX_QUEUE),
        maxBytesInFlight: config.WORKER_MEMORY_MB * 1024 * 1024,
        maxImageBytes: config.MAX_IMAGE_BYTES,
        stop: stop.signal,
        graceMs: GRACE_MS,
        tracing,
        careful: numbersOf(CAREFUL_CHUNKS),
        crashers: numbersOf(CRASHERS),
        progress,
        thumbnail: services.thumbnail,
      }),
    );
    rows = result.rows;
    if (result.isPastDeadline) logger.info(result, 'stopped at the deadline of the job');
    else logger.info(result, result.done ? 'shard done' : 'stopped; the next attempt continues');
    if (result.done || result.isPastDeadline) return EXIT.done;
    return stop.signal.reason === OUT_OF_TIME ? EXIT.outOfTime : EXIT.stopped;
  } catch (error) {
    logger.error({ err: error }, 'shard not done; the queue retries it');
    throw error;
  } finally {
    await app.close();
  }
}

/** The rows of a job never mix precisions: a worker whose engine fell back to another one leaves the shard to the next attempt. */
function assertPrecision({ model, precision }: Job, models: Models): void {
  const served = models.list().find(({ name }) => name === model)?.precision;
  if (precision === undefined || served === precision) return;
  throw new AppError('PRECISION_UNAVAILABLE', `the job computes in ${precision}, this worker in ${served}`);
}

const numbersOf = (list = '') => new Set(list === '' ? [] : list.split(',').map(Number));

const progress: WorkProgress = {
  chunk: (chunk, open) => sendToParent({ kind: 'chunk', chunk, open }),
  alone: (input) => sendToParent({ kind: 'alone', ...(input === undefined ? {} : { input }) }),
  done() {
    if (Date.now() - lastProgressAt < PROGRESS_MS) return;
    lastProgressAt = Date.now();
    void sendToParent({ kind: 'progress' });
  },
};

try {
  process.exitCode = await work();
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`ml-serverless worker: ${message.split('\n', 1)[0]}\n`);
  const isWrongSetting = isAppError(error, 'INVALID_CONFIGURATION', 'INVALID_MODEL', 'MODEL_NOT_FOUND');
  process.exitCode = isWrongSetting ? EXIT.configuration : EXIT.fault;
}
await dropWarmThread();
await sendToParent({ kind: 'end', ...(rows ? { rows } : {}) });
isOver = true;
// An open IPC channel or a handle of a native library must not keep a finished worker alive.
process.exit();
