import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStep } from './step.mjs';

const STAMP = '.installed-from';

/** Runs `npm ci` (install scripts stay off, see .npmrc) unless node_modules is complete and from this package-lock.json. */
export async function ensureDependencies({ root, cacheDir, acquireLock }) {
  if (whyInstall(root) === undefined) return;
  const lock = await acquireLock(join(root, '.cache', 'setup.lock'), {
    onWait: ({ pid }) => process.stderr.write(`waiting for another set-up of this folder (process ${pid})\n`),
  });
  try {
    // Whoever held the lock may have done it meanwhile.
    const reason = whyInstall(root);
    if (reason === undefined) return;
    const total = requiredPackages(root).length;
    const step = startStep('dependencies', `npm ci: ${reason}`);
    const count = setInterval(() => step.update(`${presentPackages(root)} of ${total} packages`), 500);
    try {
      await npmCi(root, cacheDir, (pid) => lock.adopt(pid));
    } catch (error) {
      step.failed();
      throw error;
    } finally {
      clearInterval(count);
    }
    const missing = firstMissing(root);
    if (missing) {
      step.failed();
      throw new Error(`npm ci left ${missing} out: delete node_modules and run the command again`);
    }
    writeFileSync(join(root, 'node_modules', STAMP), lockHash(root));
    step.done(`${total} packages`);
  } finally {
    lock.release();
  }
}

/** Why node_modules must be installed anew, or undefined when it is as package-lock.json says. */
export function whyInstall(root) {
  const folder = join(root, 'node_modules');
  if (!existsSync(folder)) return 'node_modules is missing';
  const stamp = join(folder, STAMP);
  if (existsSync(stamp)) {
    if (readFileSync(stamp, 'utf8') !== lockHash(root)) return 'package-lock.json has changed';
    const missing = firstMissing(root);
    return missing === undefined ? undefined : `${missing} is missing`;
  }
  // Installed by hand (`npm ci`, `npm install`): npm writes its own record last, so a complete one is as good as our stamp.
  const disagreement = compareWithNpmRecord(root);
  if (disagreement !== undefined) return disagreement;
  writeFileSync(stamp, lockHash(root));
  return undefined;
}

function compareWithNpmRecord(root) {
  const file = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(file)) return 'an earlier install was interrupted';
  const installed = JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  const wanted = packagesOf(root);
  for (const path of requiredPackages(root)) {
    const found = installed[path];
    if (found?.version !== wanted[path].version || found.integrity !== wanted[path].integrity) {
      return `${path.replace(/^.*node_modules\//, '')} is not the version in package-lock.json`;
    }
  }
  const missing = firstMissing(root);
  return missing === undefined ? undefined : `${missing} is missing`;
}

const lockHash = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');

const packagesOf = (root) => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages ?? {};

/** Paths in node_modules that must exist; optional packages may be absent (another platform, a failed build). */
function requiredPackages(root) {
  return Object.entries(packagesOf(root))
    .filter(([path, { optional, devOptional, link }]) => path !== '' && !optional && !devOptional && !link)
    .map(([path]) => path);
}

const isPresent = (root, path) => existsSync(join(root, path, 'package.json'));
const presentPackages = (root) => requiredPackages(root).filter((path) => isPresent(root, path)).length;
const firstMissing = (root) =>
  requiredPackages(root)
    .find((path) => !isPresent(root, path))
    ?.replace(/^.*node_modules\//, '');

function npmCi(root, cacheDir, onStart) {
  const npm = process.env.npm_execpath; // set by `npm start`: the very npm that the user runs
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
        // npm's cache and logs stay inside the documented cache folder too.
        env: { ...process.env, npm_config_cache: join(cacheDir, 'npm'), npm_config_update_notifier: 'false' },
      },
    );
    const forward = (signal) => {
      child.kill(signal);
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.once('SIGINT', forward).once('SIGTERM', forward);
    if (child.pid !== undefined) onStart(child.pid);
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => reject(new Error(explain(error.message))));
    child.on('close', (code) => {
      process.removeListener('SIGINT', forward).removeListener('SIGTERM', forward);
      if (code === 0) resolve();
      else reject(new Error(explain(output)));
    });
  });
}

/** npm's many lines as one, with what to do. */
export function explain(output) {
  if (/ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH/.test(output)) {
    return "npm cannot reach its registry: check the network, or npm's proxy and registry settings, and run the command again";
  }
  if (/ENOSPC/.test(output)) return 'the disk is full: free about 2 GB and run the command again';
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return 'npm may not write here: check the permissions of this folder and of the cache folder';
  }
  if (/EINTEGRITY/.test(output)) {
    return 'a package does not have the hash in package-lock.json: a proxy or mirror changes packages; use another registry';
  }
  if (/EUSAGE|in sync/.test(output)) {
    return 'package.json and package-lock.json disagree: run `npm install` and commit package-lock.json';
  }
  if (/spawn npm(\.cmd)? ENOENT/.test(output))
    return 'npm is not on the PATH: install npm and run the command again';
  const line = output
    .split('\n')
    .map((text) => text.replace(/^npm (error|ERR!)( code)?\s*/, '').trim())
    .find((text) => text !== '' && !text.startsWith('npm warn'));
  return `npm ci failed (${line ?? 'no message'}): run \`npm ci\` to see all of its output`;
}
