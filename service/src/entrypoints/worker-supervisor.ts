import { createLogger } from '../app/logger.ts';
import { WORKER_PROGRAM } from '../app/worker-program.ts';
import { loadConfig, loadWorkerConfig, workerEnvironment } from '../config/config.ts';
import { parseJobUri } from '../domain/job/job-layout.ts';
import { createCrashRecord } from '../jobs/crash-record.ts';
import { EXIT_CONFIGURATION, runWorker, type WorkerMessage, type WorkerRun } from '../jobs/worker-process.ts';

/**
 * Works one shard in a process of its own, which may crash: on an input that a decoder or a hook cannot stand, or for want
 * of memory. The inputs of the chunks that were open are then worked one at a time, each noted before it is tried, and the
 * one that kills the process again gets an error row. Ends as the worker does: see work-shard.ts.
 */
const EXIT = { fault: 1, configuration: EXIT_CONFIGURATION, stopped: 143 } as const;

/** Longer than the worker's own 20 s, shorter than the 30 s that this process has. Milliseconds. */
const KILL_AFTER_MS = 25_000;
/** Interval of the progress messages to the parent process, which has the same stall timeout. Milliseconds. */
const ALIVE_MS = 500;

async function supervise(): Promise<number> {
  const {
    JOB_URI,
    AWS_BATCH_JOB_ARRAY_INDEX: shard,
    AWS_BATCH_JOB_ATTEMPT: attempt,
    WORKER_STOP_AFTER_MS: stopAfterMs,
  } = loadWorkerConfig();
  const { LOG_LEVEL, WORKER_TIMEOUT_MS: stallMs } = loadConfig();
  const logger = createLogger(LOG_LEVEL).child({ jobId: parseJobUri(JOB_URI).jobId, shard, attempt });
  const record = createCrashRecord();
  let run: WorkerRun | undefined;
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    run?.stop(KILL_AFTER_MS);
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('disconnect', stop);
  const alive = setInterval(() => void say({ kind: 'progress' }), ALIVE_MS);
  try {
    while (!isStopped) {
      run = runWorker(
        {
          program: process.execPath,
          args: [...process.execArgv, WORKER_PROGRAM],
          environment: workerEnvironment,
          output: 'inherit',
        },
        {
          SUPERVISED: '1',
          CAREFUL_CHUNKS: [...record.careful].join(','),
          CRASHERS: [...record.crashers].join(','),
          // The attempt's time runs from the start of this process, not of the one that works.
          ...(stopAfterMs === undefined
            ? {}
            : { WORKER_STOP_AFTER_MS: String(Math.max(1, Math.round(stopAfterMs - performance.now()))) }),
        },
        { onMessage: record.hear, stallMs },
      );
      const { code, signal, message, hasReported, rows } = await run.ended;
      if (hasReported && code !== null) {
        await say({ kind: 'end', ...(rows ? { rows } : {}) });
        return code;
      }
      if (isStopped) break;
      const isInformed = record.died();
      const { careful, crashers } = record;
      logger.warn(
        { code, signal, reason: message, careful: [...careful], crashers: [...crashers] },
        isInformed ? 'the worker crashed; its open inputs are worked one at a time' : 'the worker crashed',
      );
      if (!isInformed) throw new Error(`the worker ended with ${signal ?? `status ${code}`}: ${message}`);
    }
    return EXIT.stopped;
  } finally {
    clearInterval(alive);
  }
}

/** To the local queue; at AWS Batch nothing listens. */
function say(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send) process.send(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

try {
  process.exitCode = await supervise();
} catch (error) {
  const { message, code } = error as Error & { code?: string };
  process.stderr.write(`ml-serverless worker: ${message.split('\n', 1)[0]}\n`);
  process.exitCode = code === 'INVALID_CONFIGURATION' ? EXIT.configuration : EXIT.fault;
}
// An open IPC channel must not keep this process alive.
process.exit();
