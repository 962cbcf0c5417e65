import { mkdir } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { watch } from 'chokidar';

/** A file is complete if its size has not changed for this long, in milliseconds; how often to check. */
const STABLE_MS = 400;
const POLL_MS = 100;

/**
 * Watches a folder and its subfolders for new and changed files, and reports each one when it has stopped growing. A copy
 * that pauses for longer is reported again. Links are not followed. A new subfolder is reported at once; chokidar lists
 * it before it watches it, so files that arrive in between are not reported.
 *
 * @param folder created if it does not exist
 * @param onPath gets the path relative to `folder`, separated by `/`; the path of a new subfolder ends with `/`
 */
export async function watchFolder(
  folder: string,
  ignored: (name: string) => boolean,
  onPath: (path: string) => void,
  onError: (error: unknown) => void,
): Promise<{ close(): Promise<void> }> {
  await mkdir(folder, { recursive: true });
  const watcher = watch(folder, {
    ignoreInitial: true,
    followSymlinks: false,
    awaitWriteFinish: { stabilityThreshold: STABLE_MS, pollInterval: POLL_MS },
    ignored: (path) => path !== folder && ignored(path.slice(path.lastIndexOf(sep) + 1)),
  });
  const report = (path: string, end = '') => onPath(relative(folder, path).split(sep).join('/') + end);
  watcher
    .on('add', (path) => report(path))
    .on('change', (path) => report(path))
    .on('addDir', (path) => report(path, '/'))
    .on('error', onError);
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  return { close: () => watcher.close() };
}
