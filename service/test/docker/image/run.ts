import { spawn } from 'node:child_process';

export interface RunOptions {
  readonly input?: Buffer | string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Exit statuses that are not a failure; [0] by default. */
  readonly statuses?: readonly number[];
  readonly timeoutMs?: number;
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one program with these arguments. */
export type Run = (args: readonly string[], options?: RunOptions) => Promise<Output>;

/**
 * Runs a program to its end. Output beyond 1 MB is dropped from its beginning.
 *
 * @throws Error with the last lines of output when the program ends with another status, or by a signal
 */
export function run(
  program: string,
  args: readonly string[],
  { input, env, cwd, statuses = [0], timeoutMs = 20 * 60_000 }: RunOptions = {},
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, timeout: timeoutMs });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (part: string) => {
        output[name] = (output[name] + part).slice(-1_000_000);
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code !== null && statuses.includes(code)) return resolve(output);
      const last = (output.stderr.trim() || output.stdout.trim()).split('\n').slice(-12).join('\n  ');
      return reject(
        new Error(`${program} ${args.slice(0, 4).join(' ')} … ended with ${code ?? signal}\n  ${last}`),
      );
    });
    // A program that does not read its input closes the pipe.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Whether a program is there and succeeds. */
export const succeeds = (program: string, args: readonly string[], options?: RunOptions): Promise<boolean> =>
  run(program, args, options).then(
    () => true,
    () => false,
  );
