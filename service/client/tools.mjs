// Where the generators are installed, and how. Plain JavaScript: `npm run client` works without a build.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../models/cache-folder.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const LOCK = 'package-lock.json';

/** The folder of the installed generators, in the cache. */
const toolsFolder = (environment) => join(cacheFolder(environment), 'tools', 'client');

/** True when exactly what the lock file names is installed. */
function areToolsInstalled(environment) {
  const done = join(toolsFolder(environment), 'done');
  return existsSync(done) && readFileSync(done, 'utf8') === readFileSync(join(here, LOCK), 'utf8');
}

/**
 * Installs the generators unless they are there. The mark is written last, so that an interrupted try is repeated.
 *
 * @throws Error with one line that says what to do
 */
export function installTools(environment) {
  if (areToolsInstalled(environment)) return;
  const folder = toolsFolder(environment);
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, 'done'), { force: true });
  for (const name of ['package.json', LOCK]) copyFileSync(join(here, name), join(folder, name));
  process.stderr.write('installing the client generator (once, about 70 MB)\n');
  const { status, error, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
    timeout: 600_000,
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    const lines = (error?.message ?? stderr).split('\n').filter((line) => /error/i.test(line));
    throw new Error(
      `npm ci in ${folder} failed: ${lines[0] ?? 'no message'}; try again when the registry answers`,
    );
  }
  writeFileSync(join(folder, 'done'), readFileSync(join(here, LOCK)));
}

/** Loads an installed package by name. */
export const requireTool = (environment) => createRequire(join(toolsFolder(environment), 'package.json'));
