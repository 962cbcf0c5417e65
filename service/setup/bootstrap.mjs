#!/usr/bin/env node
// The first thing a fresh clone runs: plain JavaScript without a dependency, because nothing is installed yet.
// It brings dependencies and build up to date, then hands over to dist/service/setup/main.js.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const REQUIRED = [20, 20];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1])) {
  fail(
    `Node ${process.versions.node} is too old: install Node ${REQUIRED.join('.')} or later (https://nodejs.org)`,
  );
}

const [command = 'start', ...args] = process.argv.slice(2);
if (
  command === '--help' ||
  command === 'help' ||
  (command === 'start' && /^(--help|-h)$/.test(args[0] ?? ''))
) {
  process.stdout.write(readFileSync(join(root, 'service', 'setup', 'bootstrap', 'help.txt'), 'utf8'));
  process.exit(0);
}

try {
  const { cacheFolder } = await import('./bootstrap/cache-folder.mjs');
  const { acquireLock } = await import('./bootstrap/lock.mjs');
  const { ensureDependencies } = await import('./bootstrap/dependencies.mjs');
  const { ensureBuild } = await import('./bootstrap/build.mjs');

  // Everything started from here uses the same cache folder, whatever the working directory becomes.
  process.env.CACHE_DIR = cacheFolder(process.env);
  const context = { root, cacheDir: process.env.CACHE_DIR, acquireLock };
  await ensureDependencies(context);
  await ensureBuild(context);

  const entry = join(root, 'dist', 'service', 'setup', 'main.js');
  const { main } = await import(pathToFileURL(entry).href);
  process.exitCode = await main({ root, command, args, environment: process.env, acquireLock });
} catch (error) {
  if (process.env.LOG_LEVEL === 'debug') console.error(error);
  fail(error instanceof Error ? error.message : String(error));
}

/** One clear line, then exit status 1. */
function fail(message) {
  const red = process.stderr.isTTY && !process.env.NO_COLOR;
  process.stderr.write(`${red ? '\x1b[31m  ✗\x1b[39m' : 'error:'} ${message}\n`);
  process.exit(1);
}
