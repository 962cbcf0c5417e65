import { spawn, spawnSync } from 'node:child_process';
import { fromRoot } from '../helpers/root.ts';

export const CLI = fromRoot('dist', 'bundle', 'cli.js');

export interface CliRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly pid: number;
  readonly stderr: () => string;
  readonly stdout: () => string;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<CliRun>;
}

export interface CliSurroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
  readonly cwd?: string;
}

/** The environment without what a developer's shell, npm or CI may have set for the command line. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const own = /^(ML_SERVERLESS_|NO_COLOR$|CI$|FORCE_COLOR$|INIT_CWD$|npm_|NODE_TEST_CONTEXT$)/;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name));
  return { ...Object.fromEntries(kept), ...extra };
}

/** Starts the real command line as a process of its own. */
export function startCli(args: readonly string[], { env, stdin, cwd }: CliSurroundings = {}): RunningCli {
  const child = spawn(process.execPath, ['--enable-source-maps', CLI, ...args], {
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  // A command that does not read it may be gone before it is written.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const ended = new Promise<CliRun>((done) => {
    child.on('close', (status) => done({ status, stdout, stderr }));
  });
  return {
    pid: child.pid as number,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

export const runCli = (args: readonly string[], surroundings?: CliSurroundings): Promise<CliRun> =>
  startCli(args, surroundings).ended;

/** Why there is no pseudo-terminal, or false. */
export const terminalMissing =
  spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0
    ? false
    : "needs util-linux' script, for a pseudo-terminal";

/** Runs the command line on a pseudo-terminal of 100 columns: what a person would see, escape sequences included. */
export async function runOnTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const words = ['exec', process.execPath, CLI, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const line = `stty cols 100; ${words.join(' ').replace(/^'exec'/, 'exec')}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: environment({ TERM: 'xterm', ...env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let screen = '';
  for await (const chunk of child.stdout) screen += chunk;
  return screen;
}

/** The JSON of each line. */
export const jsonLines = (text: string): Record<string, never>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
