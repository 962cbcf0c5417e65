import { spawn } from 'node:child_process';

/** The worker's exit status for a wrong setting, which another attempt would not change. (EX_CONFIG of sysexits.h.) */
export const EXIT_CONFIGURATION = 78;

export interface WorkerCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** The complete environment of the process; `extra` overrides this process's variables. */
  readonly environment: (extra: Readonly<Record<string, string>>) => NodeJS.ProcessEnv;
  /** Destination of the worker's log lines. */
  readonly output: 'inherit' | 'ignore';
}

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last line of stderr, at most 500 characters. */
  readonly message: string;
  /** Rows by `OK` or error code; absent if the worker did not report them. */
  readonly rows?: Readonly<Record<string, number>>;
  /** False if the process crashed or was killed. */
  readonly hasReported: boolean;
}

export interface WorkerRun {
  readonly pid: number | undefined;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** SIGTERM now, SIGKILL after `killAfterMs`. */
  stop(killAfterMs: number): void;
}

/** Messages of a worker over its IPC channel. */
export type WorkerMessage =
  /** An input is done. Sent at most once a second. */
  | { readonly kind: 'progress' }
  | { readonly kind: 'chunk'; readonly chunk: number; readonly open: boolean }
  /** The index in the shard of the only input in work; without one, that input is done. */
  | { readonly kind: 'alone'; readonly input?: number }
  /** Sent before every regular exit, with any status. */
  | { readonly kind: 'end'; readonly rows?: Readonly<Record<string, number>> };

/** Sends a message to the local queue or the supervisor. At AWS Batch, nothing listens to a first attempt. */
export function sendToParent(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send) process.send(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

export interface WatchOptions {
  readonly onMessage?: (message: WorkerMessage) => void;
  /** Sends SIGKILL after this time without a message, in ms; never if absent. */
  readonly stallMs?: number;
}

/**
 * Starts one worker process. It reports over its IPC channel. The channel closes when this process dies for any reason;
 * then the worker stops as on SIGTERM.
 */
export function runWorker(
  command: WorkerCommand,
  extra: Readonly<Record<string, string>>,
  { onMessage, stallMs }: WatchOptions = {},
): WorkerRun {
  const child = spawn(command.program, command.args, {
    env: command.environment(extra),
    stdio: ['ignore', command.output, 'pipe', 'ipc'],
  });
  let tail = '';
  child.stderr?.on('data', (part: Buffer) => {
    tail = (tail + part.toString()).slice(-4096);
    if (command.output === 'inherit') process.stderr.write(part);
  });
  let hasStalled = false;
  const stall = setTimeout(() => {
    hasStalled = true;
    // A process with a blocked thread does not handle SIGTERM.
    child.kill('SIGKILL');
  }, stallMs ?? 0).unref();
  if (stallMs === undefined) clearTimeout(stall);
  let end: Extract<WorkerMessage, { kind: 'end' }> | undefined;
  child.on('message', (message: WorkerMessage) => {
    if (stallMs !== undefined && !hasStalled) stall.refresh();
    if (message.kind === 'end') end = message;
    onMessage?.(message);
  });
  let killTimer: NodeJS.Timeout | undefined;
  const ended = new Promise<WorkerEnd>((resolve) => {
    let fault: Error | undefined;
    child.once('error', (error) => {
      fault = error;
      clearTimeout(stall);
      // Without a pid, the process never ran and `close` may not follow.
      if (child.pid === undefined)
        resolve({ code: null, signal: null, message: error.message, hasReported: false });
    });
    child.once('exit', () => clearTimeout(stall));
    child.once('close', (code, signal) => {
      clearTimeout(killTimer);
      const stalled = hasStalled ? `no progress for ${(stallMs ?? 0) / 1000} s` : undefined;
      const message = fault?.message ?? stalled ?? lastLine(tail);
      const rows = end?.rows;
      resolve({ code, signal, message, hasReported: end !== undefined, ...(rows ? { rows } : {}) });
    });
  });
  return {
    pid: child.pid,
    ended,
    stop(killAfterMs) {
      child.kill('SIGTERM');
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), killAfterMs);
      killTimer.unref();
    },
  };
}

function lastLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return (lines.at(-1) ?? '').slice(0, 500);
}
