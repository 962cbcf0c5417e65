import { existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

// Plain JavaScript: `npm start` needs this rule before the build exists.

/**
 * The only directory outside the clone that set-up writes to, as an absolute path: CACHE_DIR, else
 * $XDG_CACHE_HOME/ml-serverless, else ~/.cache/ml-serverless.
 *
 * @param {Readonly<Record<string, string | undefined>>} environment
 * @returns {string}
 */
export function cacheFolder(environment) {
  if (environment.CACHE_DIR) return resolve(environment.CACHE_DIR);
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ml-serverless');
}

/**
 * Creates a directory and its parents. Node's recursive mkdir never returns if the parent exists and mkdir still fails
 * with ENOENT, as under /proc.
 *
 * @param {string} folder absolute path
 * @throws the file system's error (ENOENT, EACCES, EEXIST, …)
 */
export function createFolder(folder) {
  try {
    mkdirSync(folder, { mode: 0o755 });
  } catch (error) {
    if (error.code === 'EEXIST' && statSync(folder).isDirectory()) return;
    if (error.code !== 'ENOENT' || existsSync(dirname(folder))) throw error;
    createFolder(dirname(folder));
    createFolder(folder);
  }
}
