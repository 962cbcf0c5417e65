import { createLogger } from '../app/logger.ts';
import { WORKER_PROGRAM } from '../app/worker-program.ts';
import { loadConfig } from '../config/config.ts';
import { loadWorkerConfig, workerEnvironment } from '../config/worker.ts';
import { parseJobUri } from '../domain/job/job-layout.ts';
import { createCrashRecord } from '../jobs/crash-record.ts';
import { EXIT_CONFIGURATION, runWorker, sendToParent, type WorkerRun } from '../jobs/worker-process.ts';

/**
 * Runs the work of one shard in a child process, which may crash: because of an input that a decoder or a hook cannot
 * handle, or for lack of memory. Then the inputs of its open chunks are processed one at a time, each announced first,
 * and an input that kills the process twice gets an error row. Exits with the statuses of worker-main.ts.
 */
const EXIT = { fault: 1, configuration: EXIT_CONFIGURATION, stopped: 143 } as const;

/** Longer than the worker's grace period of 20 s, shorter than the 30 s of this process; ms. */
const KILL_AFTER_MS = 25_000;
/** Interval of the progress messages to the parent process, which has the same stall timeout; ms. */
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
  const alive = setInterval(() => void sendToParent({ kind: 'progress' }), ALIVE_MS);
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
          // The attempt began with this process, not with the child.
          ...(stopAfterMs === undefined
            ? {}
            : { WORKER_STOP_AFTER_MS: String(Math.max(1, Math.round(stopAfterMs - performance.now()))) }),
        },
        { onMessage: record.onMessage, stallMs },
      );
      const { code, signal, message, hasReported, rows } = await run.ended;
      if (hasReported && code !== null) {
        await sendToParent({ kind: 'end', ...(rows ? { rows } : {}) });
        return code;
      }
      if (isStopped) break;
      const canContinue = record.onDeath();
      const { careful, crashers } = record;
      logger.warn(
        { code, signal, reason: message, careful: [...careful], crashers: [...crashers] },
        canContinue ? 'worker crashed; its open inputs are processed one at a time' : 'worker crashed',
      );
      if (!canContinue) throw new Error(`the worker ended with ${signal ?? `status ${code}`}: ${message}`);
    }
    return EXIT.stopped;
  } finally {
    clearInterval(alive);
  }
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
