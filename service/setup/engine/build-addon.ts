import { existsSync } from 'node:fs';
import { cp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ADDON } from '../../../models/addon-path.ts';
import type { SetupContext } from '../context.ts';
import { SetupError } from '../failure.ts';
import { withStep } from '../progress.mjs';
import { runCommand } from '../run-command.ts';

const BUILD_TIMEOUT_MS = 15 * 60 * 1000;

/** The missing build tools with the command that installs them; undefined if there is none. */
export async function missingTools(
  environment: NodeJS.ProcessEnv,
  platform: string = process.platform,
): Promise<string | undefined> {
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
  const install =
    platform === 'darwin'
      ? '`xcode-select --install`'
      : "`apt-get install -y g++ make python3` (or your system's equivalent)";
  return `${missing.join(', ')} missing: install with ${install}`;
}

/**
 * Builds tfjs-node's addon against the libtensorflow in `folder`/deps, outside node_modules, and keeps what running needs:
 * libraries and addon, where the addon's run path (../../deps/lib) finds them.
 *
 * @param packageDir the installed @tensorflow/tfjs-node
 */
export async function buildAddon(packageDir: string, folder: string, context: SetupContext): Promise<void> {
  await layOut(packageDir, folder);
  const isLinux = process.platform === 'linux';
  // Not on macOS: it would invalidate the libraries' code signatures.
  const stripped = isLinux ? strip(join(folder, 'deps', 'lib'), context) : undefined;
  await Promise.all([compile(packageDir, folder, context), stripped]);
  if (!existsSync(join(folder, ADDON))) throw new SetupError(`the build did not create ${ADDON}`);
  for (const name of [...SOURCES, 'deps/include', 'build-tmp-napi-v8', 'build', '.gyp']) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

const SOURCES = ['package.json', 'binding.gyp', 'binding'];

/**
 * Puts the addon's sources beside deps/ and gives the libraries the names that binding.gyp links. On Linux these are links.
 * On macOS the linker takes a library's name from inside it, which in the wheel is @rpath/libtensorflow_cc.2.dylib:
 * binding.gyp gets that name, also where it turns @rpath into a path relative to the addon.
 */
export async function layOut(
  packageDir: string,
  folder: string,
  platform: string = process.platform,
): Promise<void> {
  for (const name of SOURCES) {
    await cp(join(packageDir, name), join(folder, name), { recursive: true });
  }
  if (platform === 'darwin') {
    const gyp = await readFile(join(folder, 'binding.gyp'), 'utf8');
    await writeFile(
      join(folder, 'binding.gyp'),
      gyp.replaceAll('libtensorflow.2.dylib', 'libtensorflow_cc.2.dylib'),
    );
    return;
  }
  const lib = join(folder, 'deps', 'lib');
  for (const suffix of ['.so', '.so.2'])
    await symlink('libtensorflow_cc.so.2', join(lib, `libtensorflow${suffix}`));
  await symlink('libtensorflow_framework.so.2', join(lib, 'libtensorflow_framework.so'));
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
