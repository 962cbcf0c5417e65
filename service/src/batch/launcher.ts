import type { Job } from '../domain/job/job.ts';
import type { StartQueue } from '../jobs/start-queue.ts';
import { type StartOptions, startJob } from './start.ts';

/** Send a job again if it is still not submitted after this time, in ms: its request may have ended before sending. */
const SEND_AGAIN_AFTER_MS = 15 * 60_000;
/** Maximum jobs whose time of sending is remembered. */
const MAX_SENT = 10_000;

export interface LauncherOptions extends Omit<StartOptions, 'signal' | 'maxShards'> {
  /** Another process plans and submits jobs from this queue; if absent, this process does. */
  readonly startQueue?: StartQueue | undefined;
  /** How long `launch` waits for planning and submission, in ms; they continue in the background. */
  readonly startWithinMs: number;
  /** Reports failures in the background. */
  readonly onError: (error: unknown, jobId: string) => void;
}

/** Starts jobs: in this process, or through the start queue. */
export interface Launcher {
  /** Starts a new job and waits up to `startWithinMs`. @throws AppError of `startJob` within that time */
  launch(job: Job): Promise<void>;
  /** Starts a job in this process, which does not start the same job twice at a time. @throws AppError of `startJob` */
  start(job: Job): Promise<void>;
  /** Starts a job that a crash or a restart left; does not wait if this process starts it. */
  restart(job: Job): Promise<void>;
  /** Stops planning at a checkpoint and waits for it. */
  close(): Promise<void>;
}

export function createLauncher(options: LauncherOptions): Launcher {
  const { startQueue, startWithinMs, onError, ...startOptions } = options;
  /** When this process sent a job to the start queue, in ms since 1970. */
  const sentAt = new Map<string, number>();
  const starting = new Map<string, Promise<void>>();
  const closing = new AbortController();

  const report = (error: unknown, jobId: string) => {
    if (!closing.signal.aborted) onError(error, jobId);
  };

  function start(job: Job): Promise<void> {
    const running = starting.get(job.jobId);
    if (running) return running;
    const started = startJob(job, { ...startOptions, signal: closing.signal }).finally(() =>
      starting.delete(job.jobId),
    );
    starting.set(job.jobId, started);
    return started;
  }

  async function startAndWait(job: Job): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let isWaiting = true;
    const started = start(job).catch((error: unknown) => {
      if (isWaiting) throw error;
      report(error, job.jobId);
    });
    const waited = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, startWithinMs);
    });
    try {
      await Promise.race([started, waited]);
    } finally {
      isWaiting = false;
      clearTimeout(timer);
    }
  }

  async function send({ jobId }: Job, to: StartQueue): Promise<void> {
    await to.send({ jobId });
    if (sentAt.size >= MAX_SENT) sentAt.clear();
    sentAt.set(jobId, Date.now());
  }

  return {
    launch: (job) => (startQueue ? send(job, startQueue) : startAndWait(job)),
    start,
    async restart(job) {
      const { jobId, createdAt } = job;
      if (startQueue) {
        const last = sentAt.get(jobId) ?? Date.parse(createdAt);
        if (Date.now() - last >= SEND_AGAIN_AFTER_MS) await send(job, startQueue);
      } else if (!closing.signal.aborted && !starting.has(jobId)) {
        start(job).catch((error: unknown) => report(error, jobId));
      }
    },
    async close() {
      closing.abort();
      await Promise.allSettled(starting.values());
    },
  };
}
