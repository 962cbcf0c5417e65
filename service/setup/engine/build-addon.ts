import { existsSync } from 'node:fs';
import { cp, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ADDON } from '../../../models/addon-path.ts';
import type { SetupContext } from '../context.ts';
import { SetupError } from '../failure.ts';
import { withStep } from '../progress.mjs';
import { runCommand } from '../run-command.ts';

const BUILD_TIMEOUT_MS = 15 * 60 * 1000;

/** The missing build tools with the command that installs them; undefined if there is none. */
export async function missingTools(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const tools = ['g++', 'make', 'python3'];
  const found = await Promise.all(
    tools.map((tool) =>
      runCommand(tool, ['--version'], { env: environment, timeoutMs: 20_000 }).then(
        () => true,
        () => false,
      ),
    ),
  );
  const missing = tools.filter((_, index) => !found[index]);
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} missing: install with \`apt-get install -y g++ make python3\` (or your system's equivalent)`;
}

/**
 * Builds tfjs-node's addon against the libtensorflow in `folder`/deps, outside node_modules, and keeps what running needs:
 * the stripped libraries and the addon, where the addon's run path ($ORIGIN/../../deps/lib) finds them.
 *
 * @param packageDir the installed @tensorflow/tfjs-node
 */
export async function buildAddon(packageDir: string, folder: string, context: SetupContext): Promise<void> {
  const lib = join(folder, 'deps', 'lib');
  for (const suffix of ['.so', '.so.2'])
    await symlink('libtensorflow_cc.so.2', join(lib, `libtensorflow${suffix}`));
  await symlink('libtensorflow_framework.so.2', join(lib, 'libtensorflow_framework.so'));
  for (const name of ['package.json', 'binding.gyp', 'binding']) {
    await cp(join(packageDir, name), join(folder, name), { recursive: true });
  }
  await Promise.all([compile(packageDir, folder, context), strip(lib, context)]);
  if (!existsSync(join(folder, ADDON))) throw new SetupError(`the build did not create ${ADDON}`);
  for (const name of [
    'package.json',
    'binding.gyp',
    'binding',
    'deps/include',
    'build-tmp-napi-v8',
    'build',
    '.gyp',
  ]) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function compile(packageDir: string, folder: string, context: SetupContext): Promise<void> {
  const { progress, environment } = context;
  const nodePreGyp = createRequire(join(packageDir, 'package.json')).resolve(
    '@mapbox/node-pre-gyp/bin/node-pre-gyp',
  );
  await withStep(
    progress.start('engine', 'building the addon'),
    () => 'addon built',
    () =>
      runCommand(process.execPath, [nodePreGyp, 'install', '--build-from-source'], {
        cwd: folder,
        env: { ...environment, ...headerSettings(folder, environment) },
        timeoutMs: BUILD_TIMEOUT_MS,
      }),
  );
}

/** Node's headers: those of the running Node if it was installed with them, else a download into `folder`/.gyp. */
function headerSettings(folder: string, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const prefix = dirname(dirname(process.execPath));
  const own = existsSync(join(prefix, 'include', 'node', 'common.gypi')) ? prefix : undefined;
  const nodedir = environment.npm_config_nodedir ?? own;
  return { npm_config_devdir: join(folder, '.gyp'), ...(nodedir ? { npm_config_nodedir: nodedir } : {}) };
}

/** Removes debug symbols (565 -> 413 MB); optional, because it only saves space. */
async function strip(lib: string, { environment, progress }: SetupContext): Promise<void> {
  for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) {
    const from = join(lib, name);
    const to = `${from}.stripped`;
    try {
      // Into another file: the linker may be reading this one.
      await runCommand('strip', ['--strip-unneeded', '-o', to, from], {
        env: environment,
        timeoutMs: BUILD_TIMEOUT_MS,
      });
    } catch (error) {
      await rm(to, { force: true });
      if (!(error instanceof SetupError)) throw error;
      progress.notice('engine', `the libraries keep their debug symbols: ${error.message}`);
      continue;
    }
    await rename(to, from);
  }
}
