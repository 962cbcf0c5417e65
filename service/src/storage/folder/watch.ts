import { mkdir } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { watch } from 'chokidar';

export interface FolderWatch {
  close(): Promise<void>;
}

/** A file counts as copied when its size has not changed for this long, looked at this often; milliseconds. */
const STABLE_MS = 400;
const POLL_MS = 100;

/**
 * Watches a folder and its sub-folders for files that appear or change, and tells each once it has stopped growing.
 * A copy that pauses for longer is told again when it goes on. Links are not followed.
 * A new sub-folder is told at once, and may hold files already that are not told: chokidar reads it first and watches it then.
 *
 * @param folder made if it is not there
 * @param onPath gets the path relative to `folder`, with `/` between its parts, and behind that of a new sub-folder
 */
export async function watchFolder(
  folder: string,
  ignored: (name: string) => boolean,
  onPath: (path: string) => void,
  onError: (error: unknown) => void,
): Promise<FolderWatch> {
  await mkdir(folder, { recursive: true });
  const watcher = watch(folder, {
    ignoreInitial: true,
    followSymlinks: false,
    awaitWriteFinish: { stabilityThreshold: STABLE_MS, pollInterval: POLL_MS },
    ignored: (path) => path !== folder && ignored(path.slice(path.lastIndexOf(sep) + 1)),
  });
  const tell = (path: string, end = '') => onPath(relative(folder, path).split(sep).join('/') + end);
  watcher
    .on('add', (path) => tell(path))
    .on('change', (path) => tell(path))
    .on('addDir', (path) => tell(path, '/'))
    .on('error', onError);
  await new Promise<void>((resolve) => watcher.once('ready', resolve));
  return { close: () => watcher.close() };
}
