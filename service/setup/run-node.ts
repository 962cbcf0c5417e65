import { constants } from 'node:os';
import { execa } from 'execa';
import { describeFailure } from './failure.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs Node on `args` with this terminal, forwards signals, and waits for the end. It is a separate process, because native
 * libraries read the environment when the process starts.
 *
 * @returns the exit status; 128 + number after a signal
 */
export async function runNode(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  // Without `cleanup`, which would stop it by SIGTERM whatever the signal was.
  const options = { cwd, env, extendEnv: false, stdio: 'inherit', reject: false, cleanup: false } as const;
  const child = execa(process.execPath, args, options);
  const forward = (signal: NodeJS.Signals) => {
    // On a terminal, Ctrl-C reaches the whole process group.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const { exitCode, signal, cause } = await child;
  for (const signal of FORWARDED) process.removeListener(signal, forward);
  if (exitCode !== undefined) return exitCode;
  if (signal !== undefined) return 128 + constants.signals[signal];
  process.stderr.write(`error: ${describeFailure(cause, 'starting node')}\n`);
  return 1;
}
