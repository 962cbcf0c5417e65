import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The one folder outside the clone that set-up writes to: CACHE_DIR, else $XDG_CACHE_HOME/ml-serverless, else
 * ~/.cache/ml-serverless. An absolute path. models/paths.ts holds the same rule for programs started without this file.
 */
export function cacheFolder(environment) {
  if (environment.CACHE_DIR) return resolve(environment.CACHE_DIR);
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ml-serverless');
}
