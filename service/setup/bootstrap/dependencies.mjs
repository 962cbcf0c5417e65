import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProgress, withStep } from '../progress.mjs';
import { acquireLock } from './lock.mjs';

/**
 * Runs `npm ci` (without install scripts, see .npmrc) unless node_modules is complete and of this package-lock.json.
 *
 * @param {string} root the directory of package.json
 * @param {string} cacheDir npm's cache and logs go here too
 */
export async function ensureDependencies(root, cacheDir) {
  if (whyInstall(root) === undefined) return;
  const progress = createProgress();
  const lock = await acquireLock(join(root, '.cache', 'setup.lock'), {
    onWait: ({ pid }) =>
      progress.notice('dependencies', `waiting for another set-up of this directory (process ${pid})`),
  });
  try {
    // The process that held the lock may have installed them.
    const reason = whyInstall(root);
    if (reason === undefined) return;
    const paths = requiredPackages(root).map(([path]) => path);
    const total = paths.length;
    const step = progress.start('dependencies', `npm ci: ${reason}`, { total, unit: 'items' });
    const timer = setInterval(() => step.update(paths.filter((path) => isPresent(root, path)).length), 500);
    await withStep(
      step,
      () => `${total} packages`,
      async () => {
        await npmCi(root, cacheDir, (pid) => lock.adopt(pid));
        const fault = whyInstall(root);
        if (fault) throw new Error(`npm ci failed (${fault}): delete node_modules and run the command again`);
      },
    ).finally(() => clearInterval(timer));
  } finally {
    lock.release();
  }
}

/**
 * @param {string} root
 * @returns {string | undefined} why `npm ci` must run; undefined if node_modules is as package-lock.json says
 */
export function whyInstall(root) {
  if (!existsSync(join(root, 'node_modules'))) return 'node_modules is missing';
  // npm writes its record last.
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return 'an earlier install was interrupted';
  const installed = packagesOf(record);
  for (const [path, { version, integrity }] of requiredPackages(root)) {
    const name = path.replace(/^.*node_modules\//, '');
    const found = installed[path];
    if (found?.version !== version || found.integrity !== integrity) {
      return `${name} is not the version in package-lock.json`;
    }
    if (!isPresent(root, path)) return `${name} is missing`;
  }
  return undefined;
}

const packagesOf = (file) => JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
const isPresent = (root, path) => existsSync(join(root, path, 'package.json'));

/** Entries of package-lock.json that must be installed; optional packages may be absent (another platform). */
const requiredPackages = (root) =>
  Object.entries(packagesOf(join(root, 'package-lock.json'))).filter(
    ([path, { optional, devOptional, link }]) => path !== '' && !optional && !devOptional && !link,
  );

function npmCi(root, cacheDir, onStart) {
  const npm = process.env.npm_execpath; // the npm that runs `npm start`
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const isScript = npm !== undefined && /npm-cli\.[cm]?js$/.test(npm);
  const windows = process.platform === 'win32';
  return new Promise((resolve, reject) => {
    const child = spawn(
      isScript ? process.execPath : windows ? 'npm.cmd' : 'npm',
      isScript ? [npm, ...args] : args,
      {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        shell: windows && !isScript,
        env: { ...process.env, npm_config_cache: join(cacheDir, 'npm'), npm_config_update_notifier: 'false' },
      },
    );
    const stop = (signal) => {
      child.kill(signal);
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    if (child.pid !== undefined) onStart(child.pid);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-20_000);
      });
    child.on('error', (error) => reject(new Error(explain(error.message))));
    child.on('close', (code) => {
      process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
      if (code === 0) resolve();
      else reject(new Error(explain(output)));
    });
  });
}

const EXPLANATIONS = [
  [
    /ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH/,
    "npm cannot reach its registry: check the network, or npm's proxy and registry settings, and run the command again",
  ],
  [/ENOSPC/, 'the disk is full: free about 2 GB and run the command again'],
  [
    /EACCES|EPERM|EROFS/,
    'npm has no permission to write: check the permissions of this directory and of the cache directory',
  ],
  [
    /EINTEGRITY/,
    'a package does not have the hash in package-lock.json: a proxy or mirror changes packages; use another registry',
  ],
  [
    /EUSAGE|in sync/,
    'package.json and package-lock.json disagree: run `npm install` and commit package-lock.json',
  ],
  [/spawn npm(\.cmd)? ENOENT/, 'npm is not on the PATH: install npm and run the command again'],
];

/**
 * The output of a failed npm as one line that says what to do.
 *
 * @param {string} output
 * @returns {string}
 */
export function explain(output) {
  const known = EXPLANATIONS.find(([pattern]) => pattern.test(output));
  if (known) return known[1];
  const line = output
    .split('\n')
    .map((text) => text.replace(/^npm (error|ERR!)( code)?\s*/, '').trim())
    .find((text) => text !== '' && !text.startsWith('npm warn'));
  return `npm ci failed (${line ?? 'no message'}): run \`npm ci\` to see all of its output`;
}
