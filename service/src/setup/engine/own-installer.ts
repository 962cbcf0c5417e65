import { cp, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import type { SetupContext } from '../context.ts';
import { withStep } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { headerSettings } from './build-addon.ts';

const INSTALL_TIMEOUT_MS = 30 * 60 * 1000;

/**
 * Lets tfjs-node's own install script fetch libtensorflow and the addon from storage.googleapis.com, in a copy of the
 * package inside `folder`, and leaves its deps/ and lib/ there. The script may end well without having installed
 * anything: load the addon to be sure.
 *
 * @throws SetupError with what the script said
 */
export async function runOwnInstaller(
  packageDir: string,
  folder: string,
  context: SetupContext,
): Promise<void> {
  const copy = join(folder, 'package');
  await mkdir(copy, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'binding', 'scripts']) {
    await cp(join(packageDir, name), join(copy, name), { recursive: true });
  }
  const { root, environment, progress } = context;
  const modules = join(root, 'node_modules');
  // The copy lies outside node_modules: its script finds its own dependencies and node-pre-gyp by these two.
  const env = {
    ...environment,
    NODE_PATH: modules,
    PATH: [join(modules, '.bin'), environment.PATH].filter(Boolean).join(delimiter),
    ...headerSettings(folder, environment),
  };
  const script = createRequire(join(copy, 'package.json')).resolve('./scripts/install.js');
  await withStep(
    progress.start('engine', "running tfjs-node's own installer"),
    () => 'installer ended',
    () => runCommand(process.execPath, [script], { cwd: copy, env, timeoutMs: INSTALL_TIMEOUT_MS }),
  );
}
