import { ExecaError, execa } from 'execa';
import { SetupError } from './failure.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds after which the command is stopped. */
  readonly timeoutMs: number;
}

/**
 * Runs a program without a shell and waits for it. It ends with this process, and after `timeoutMs`.
 *
 * @returns its output
 * @throws SetupError with the most telling line of its output
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  { cwd, env, timeoutMs }: CommandOptions,
): Promise<string> {
  try {
    const options = { env, extendEnv: false, timeout: timeoutMs, stdin: 'ignore', all: true } as const;
    return (await execa(program, args, cwd === undefined ? options : { ...options, cwd })).all;
  } catch (error) {
    if (!(error instanceof ExecaError)) throw error;
    const { code, cause, exitCode, signal, all } = error;
    if (code === 'ENOENT') throw new SetupError(`${program} is not installed`);
    if (exitCode === undefined && signal === undefined) throw cause ?? error;
    throw new SetupError(`${program} failed (${signal ?? `exit ${exitCode}`}): ${tellingLine(String(all))}`);
  }
}

const NETWORK =
  /NewConnectionError|ProxyError|ConnectTimeout|NameResolutionError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED/;

/** The last line that names an error, else the last that mentions one, else the last line. */
function tellingLine(output: string): string {
  if (NETWORK.test(output)) return 'the network cannot be reached (check connection and proxy settings)';
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^at |^WARNING|\bat:$/.test(line));
  const named = lines.findLast((line) => /^(\S+ )?(\w*Error|ERROR|error|fatal error)\b.*: /.test(line));
  const telling = named ?? lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'no output';
  return telling.slice(0, 300);
}
