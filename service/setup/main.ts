import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../models/paths.ts';
import { type Config, loadConfig } from '../src/config/config.ts';
import type { SetupContext } from './context.ts';
import { describeFailure, SetupError } from './failure.ts';
import { handOver } from './hand-over.ts';
import { createHasher } from './hasher.ts';
import { type AcquireLock, findModels, prepare } from './prepare.ts';
import { createProgress } from './progress.ts';
import { type NodeCommand, testCommand } from './test-command.ts';

/**
 * What native libraries read when a process starts: TensorFlow's log level, and glibc's memory pools, of which two are enough
 * and more of them keep memory that decoders have freed.
 */
const NATIVE_SETTINGS = { TF_CPP_MIN_LOG_LEVEL: '2', MALLOC_ARENA_MAX: '2' } as const;

export interface MainOptions {
  /** The clone: the folder of package.json. */
  readonly root: string;
  /** start, test, setup, or the name of a program in dist/bundle. */
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly acquireLock: AcquireLock;
}

/**
 * The second half of set-up, called by service/setup/bootstrap.mjs once dependencies and build are there: makes engine and
 * model ready, then runs what was asked for.
 *
 * @returns the exit status; every failure has been told in one line
 */
export async function main(options: MainOptions): Promise<number> {
  const { root, command, environment } = options;
  try {
    const { copy, rest } = parseSetupOptions(options.args);
    const run = await planRun(root, command, rest);
    await setUp(options, loadConfig(environment), copy);
    if (run === undefined) return 0;
    const env = {
      ...NATIVE_SETTINGS,
      ...environment,
      ...run.environment,
      CACHE_DIR: cacheFolder(environment),
    };
    return await handOver(run.args, process.cwd(), env);
  } catch (error) {
    if (environment.LOG_LEVEL === 'debug') console.error(error);
    const colour = process.stderr.isTTY && !environment.NO_COLOR;
    process.stderr.write(`${colour ? '\x1b[31m  ✗\x1b[39m' : 'error:'} ${describeFailure(error)}\n`);
    return 1;
  }
}

async function setUp(
  { root, command, environment, acquireLock }: MainOptions,
  config: Config,
  copy: boolean,
): Promise<void> {
  const hasher = createHasher();
  const context: SetupContext = {
    root,
    cacheDir: cacheFolder(environment),
    environment,
    progress: createProgress(process.stderr, !environment.NO_COLOR),
    hasher,
  };
  // Tests and images need every model; a start only the one that it serves.
  const all = command === 'setup' || command === 'test';
  try {
    const models = await findModels(
      config.MODELS_DIR ?? join(root, 'models'),
      all && config.models.length === 0 ? undefined : [...new Set([config.MODEL, ...config.models])],
    );
    const engineOptions = { placement: copy ? 'copy' : 'link' } as const;
    await prepare({ engine: config.ENGINE, engineOptions, models }, context, acquireLock);
  } finally {
    await hasher.close();
  }
}

/** Takes the options of set-up itself out of the arguments; the rest is for the program that is started. */
function parseSetupOptions(args: readonly string[]): { copy: boolean; rest: string[] } {
  return {
    copy: args.includes('--copy'),
    rest: args.filter((each) => each !== '--copy'),
  };
}

/** What to run after set-up; undefined for `setup`, which runs nothing. */
async function planRun(
  root: string,
  command: string,
  args: readonly string[],
): Promise<NodeCommand | undefined> {
  if (command === 'setup') return undefined;
  if (command === 'test') return testCommand(root, args);
  const name = command === 'start' ? 'server' : command;
  const entry = join(root, 'dist', 'bundle', `${name}.js`);
  if (!/^[a-z][a-z-]*$/.test(name) || !existsSync(entry)) {
    throw new SetupError(
      `there is no command ${JSON.stringify(command)}: \`npm start -- --help\` lists them`,
    );
  }
  return { args: ['--enable-source-maps', entry, ...args], environment: {} };
}
