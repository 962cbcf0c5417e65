import { spawn } from 'node:child_process';
import { SetupError } from './failure.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds after which the command is stopped. */
  readonly timeoutMs: number;
}

const KEPT = 20_000;

/**
 * Runs a program without a shell and waits for it; it is ended with us, and after `timeoutMs`.
 *
 * @returns the last 20,000 characters of its output
 * @throws SetupError with the line of its output that says most
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  { cwd, env, timeoutMs }: CommandOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Not the option `timeout` of spawn: its timer outlives a program that could not be started.
    const timer = setTimeout(() => child.kill(), timeoutMs);
    const stop = (signal: NodeJS.Signals) => {
      child.kill(signal);
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    const settle = () => {
      clearTimeout(timer);
      process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
    };
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-KEPT);
      });
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      settle();
      reject(error.code === 'ENOENT' ? new SetupError(`${program} is not installed`) : error);
    });
    child.on('close', (code, signal) => {
      settle();
      if (code === 0) resolve(output);
      else reject(new SetupError(`${program} failed (${signal ?? `exit ${code}`}): ${tellingLine(output)}`));
    });
  });
}

const NETWORK =
  /NewConnectionError|ProxyError|ConnectTimeout|NameResolutionError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED/;

/** Of many lines of output the one that says most: the last that names an error, else the last that speaks of one, else the last. */
function tellingLine(output: string): string {
  if (NETWORK.test(output)) return 'the network cannot be reached (check connection and proxy settings)';
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^at |^WARNING|\bat:$/.test(line));
  const named = lines.findLast((line) => /^(\S+ )?(\w*Error|ERROR|error|fatal error)\b.*: /.test(line));
  return (named ?? lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'no output').slice(
    0,
    300,
  );
}
