#!/usr/bin/env node
// The first program that a fresh clone runs: plain JavaScript, because no dependency is installed yet. It installs the
// dependencies, builds, and leaves the rest to dist/service/setup/main.js.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const REQUIRED = [20, 20];
const PARENT_POLL_MS = 250;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < REQUIRED[0] || (major === REQUIRED[0] && minor < REQUIRED[1])) {
  fail(
    `Node ${process.versions.node} is too old: install Node ${REQUIRED.join('.')} or later (https://nodejs.org)`,
  );
}

const [command = 'start', ...args] = process.argv.slice(2);
const entry = join(root, 'dist', 'service', 'setup', 'main.js');

// Help and version need no set-up. A program prints its own help once it is built.
const words = [command, ...args];
const flags = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
if (flags.includes('--version')) {
  process.stdout.write(`${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}\n`);
  process.exit(0);
}
const isHelp = command === 'help' || flags.includes('--help') || flags.includes('-h');
const hasOwnHelp = !['help', '--help', '-h', 'start', 'setup', 'test'].includes(command);
if (isHelp && !(hasOwnHelp && [entry, join(root, 'node_modules')].every(existsSync))) {
  process.stdout.write(readFileSync(join(root, 'service', 'setup', 'bootstrap', 'help.txt'), 'utf8'));
  process.exit(0);
}

if (process.env.npm_lifecycle_event) stopWithParent();

try {
  if (!isHelp) await installAndBuild();
  const { main } = await import(pathToFileURL(entry).href);
  process.exitCode = await main({ root, command, args, environment: process.env, needsSetup: !isHelp });
} catch (error) {
  if (process.env.LOG_LEVEL === 'debug') console.error(error);
  fail(error instanceof Error ? error.message : String(error));
}

async function installAndBuild() {
  const { cacheFolder, createFolder } = await import('../../models/cache-folder.mjs');
  const { ensureDependencies } = await import('./bootstrap/dependencies.mjs');
  const { ensureBuild } = await import('./bootstrap/build.mjs');
  const cacheDir = cacheFolder(process.env);
  try {
    createFolder(cacheDir);
  } catch (error) {
    throw new Error(
      `cannot create the cache directory ${cacheDir} (${error.code}): set CACHE_DIR to a directory that you can write to`,
      { cause: error },
    );
  }
  // Child processes use the same cache, whatever their working directory.
  process.env.CACHE_DIR = cacheDir;
  await ensureDependencies(root, cacheDir);
  await ensureBuild(root);
}

/**
 * npm passes SIGTERM to the shell that runs the script. That shell dies of it without passing it on, which leaves this
 * process an orphan: it then ends as if the signal had reached it.
 */
function stopWithParent() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_POLL_MS);
  timer.unref();
}

/** One line, then exit status 1. */
function fail(message) {
  const red = process.stderr.isTTY && !process.env.NO_COLOR;
  process.stderr.write(`${red ? '\x1b[31m  ✗\x1b[39m' : 'error:'} ${message}\n`);
  process.exit(1);
}
