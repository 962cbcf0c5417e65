import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../models/cache-folder.mjs';
import { type Config, loadConfig } from '../src/config/config.ts';
import type { SetupContext } from './context.ts';
import { describeFailure, SetupError } from './failure.ts';
import { findModels, prepare } from './prepare.ts';
import { createProgress } from './progress.mjs';
import { runNode } from './run-node.ts';
import { type NodeCommand, testCommand } from './test-command.ts';

/**
 * Read by native libraries at the start of a process: TensorFlow's log level, and the number of glibc's memory pools, of
 * which each more keeps memory that decoders have freed.
 */
const NATIVE_SETTINGS = { TF_CPP_MIN_LOG_LEVEL: '2', MALLOC_ARENA_MAX: '2' } as const;

/** Commands that are not bundled, by their programs in dist/service. */
const UNBUNDLED: Readonly<Record<string, string>> = {
  calibrate: 'accuracy/calibrate-main.js',
  evaluate: 'accuracy/evaluate-main.js',
};

/** Commands for which set-up prepares every model; the others need only the one that they serve. */
const WITH_ALL_MODELS = ['setup', 'test', 'calibrate', 'evaluate'];

export interface MainOptions {
  /** The directory of package.json. */
  readonly root: string;
  /** start, test, setup, a command of UNBUNDLED, or the name of a program in dist/bundle. */
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** False if the program only prints its help. */
  readonly needsSetup: boolean;
}

/**
 * Prepares engine and models, then runs the command. bootstrap.mjs calls this once dependencies and build are there.
 *
 * @returns the exit status; a failure is one line on stderr
 */
export async function main(options: MainOptions): Promise<number> {
  const { root, command, environment } = options;
  try {
    const { flags, rest } = splitArguments(command, options.args);
    const run = await planRun(root, command, rest);
    if (options.needsSetup) await setUp(options, loadConfig(environment), flags);
    if (run === undefined) return 0;
    const own = { ...run.environment, CACHE_DIR: cacheFolder(environment) };
    return await runNode(run.args, process.cwd(), { ...NATIVE_SETTINGS, ...environment, ...own });
  } catch (error) {
    if (environment.LOG_LEVEL === 'debug') console.error(error);
    const colour = process.stderr.isTTY && !environment.NO_COLOR;
    process.stderr.write(`${colour ? '\x1b[31m  ✗\x1b[39m' : 'error:'} ${describeFailure(error)}\n`);
    return 1;
  }
}

async function setUp(
  { root, command, environment }: MainOptions,
  config: Config,
  flags: ReadonlySet<string>,
): Promise<void> {
  const progress = createProgress();
  const verify = flags.has('--verify');
  const context: SetupContext = { root, cacheDir: cacheFolder(environment), environment, progress, verify };
  const isAll = WITH_ALL_MODELS.includes(command) && config.models.length === 0;
  const models = await findModels(
    config.MODELS_DIR ?? join(root, 'models'),
    isAll ? undefined : [...new Set([config.MODEL, ...config.models])],
  );
  const engineOptions = { placement: flags.has('--copy') ? 'copy' : 'link' } as const;
  const engine = await prepare({ engine: config.ENGINE, engineOptions, models }, context);
  if (command !== 'setup') return;
  progress.ready('engine', engine.text);
  for (const { manifest } of models) progress.ready('model', `${manifest.name} ${manifest.version}`);
}

/** Options of set-up itself; --verify belongs to `setup` only. The other arguments are for the program. */
function splitArguments(
  command: string,
  args: readonly string[],
): { flags: ReadonlySet<string>; rest: string[] } {
  const own = command === 'setup' ? ['--copy', '--verify'] : ['--copy'];
  const rest = args.filter((each) => !own.includes(each));
  if (command === 'setup' && rest.length > 0) {
    throw new SetupError(`unknown option ${JSON.stringify(rest[0])}; available: ${own.join(', ')}`);
  }
  return { flags: new Set(args), rest };
}

/** What runs after set-up; undefined for `setup`. */
async function planRun(
  root: string,
  command: string,
  args: readonly string[],
): Promise<NodeCommand | undefined> {
  if (command === 'setup') return undefined;
  if (command === 'test') return testCommand(root, args);
  const bundled = join('bundle', `${command === 'start' ? 'server' : command}.js`);
  const unbundled = Object.hasOwn(UNBUNDLED, command) ? join('service', UNBUNDLED[command] ?? '') : undefined;
  const entry = join(root, 'dist', unbundled ?? bundled);
  if (!/^[a-z][a-z-]*$/.test(command) || !existsSync(entry)) {
    throw new SetupError(`unknown command ${JSON.stringify(command)}; \`npm start -- --help\` lists them`);
  }
  return { args: ['--enable-source-maps', entry, ...args], environment: {} };
}
