import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { describeFailure } from './failure.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs Node on `args` with our terminal, passes signals on, and waits for its end. A process of its own, because what
 * native libraries read from the environment must be there before the process starts.
 *
 * @returns the exit status, 128 + number for a signal as shells say it
 */
export async function handOver(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, env, stdio: 'inherit' });
    const handlers = FORWARDED.map((signal) => {
      // On a terminal, Ctrl-C reaches the whole process group: passing it on as well would say it twice.
      const handler = () =>
        void (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal));
      process.on(signal, handler);
      return [signal, handler] as const;
    });
    const settle = (status: number) => {
      for (const [signal, handler] of handlers) process.removeListener(signal, handler);
      resolve(status);
    };
    child.on('error', (error) => {
      process.stderr.write(`error: ${describeFailure(error, 'starting node')}\n`);
      settle(1);
    });
    child.on('close', (code, signal) => settle(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
}
