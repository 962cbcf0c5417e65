import { spawn } from 'node:child_process';

/** The worker's exit status for a wrong setting: no other attempt would end better. (EX_CONFIG of sysexits.h.) */
export const EXIT_CONFIGURATION = 78;

/** How to start a worker. */
export interface WorkerCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment of the process: this process's, and `extra` on top. */
  readonly environment: (extra: Readonly<Record<string, string>>) => NodeJS.ProcessEnv;
  /** Where the worker's log lines go; its last line of stderr is kept for the reason either way. */
  readonly output: 'inherit' | 'ignore';
}

export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last line it wrote to stderr, at most 500 characters. */
  readonly message: string;
  /** Rows it made, by `OK` or by the code of their error; absent when it did not come to say so. */
  readonly rows?: Readonly<Record<string, number>>;
}

export interface WorkerRun {
  readonly pid: number | undefined;
  /** Never rejects. */
  readonly ended: Promise<WorkerEnd>;
  /** SIGTERM now, SIGKILL after `killAfterMs`. */
  stop(killAfterMs: number): void;
}

/** What a worker says over its channel before it ends. */
export interface WorkerReport {
  readonly rows: Readonly<Record<string, number>>;
}

/**
 * Starts one worker process. It has an IPC channel, over which it reports what it made, and which closes when this process
 * dies, however it dies: the worker then stops as on SIGTERM, so that none is left behind.
 */
export function runWorker(command: WorkerCommand, extra: Readonly<Record<string, string>>): WorkerRun {
  const child = spawn(command.program, command.args, {
    env: command.environment(extra),
    stdio: ['ignore', command.output, 'pipe', 'ipc'],
  });
  let tail = '';
  child.stderr?.on('data', (part: Buffer) => {
    tail = (tail + part.toString()).slice(-4096);
    if (command.output === 'inherit') process.stderr.write(part);
  });
  let rows: WorkerReport['rows'] | undefined;
  child.on('message', (report) => {
    rows = (report as Partial<WorkerReport>).rows;
  });
  let killTimer: NodeJS.Timeout | undefined;
  const ended = new Promise<WorkerEnd>((resolve) => {
    let fault: Error | undefined;
    child.once('error', (error) => {
      fault = error;
      // Without a pid it never ran, and no `close` may follow.
      if (child.pid === undefined) resolve({ code: null, signal: null, message: error.message });
    });
    child.once('close', (code, signal) => {
      clearTimeout(killTimer);
      const message = fault?.message ?? lastLine(tail);
      resolve({ code, signal, message, ...(rows ? { rows } : {}) });
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
