import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { toNamespacedPath } from 'node:path';

/** RTLD_NODELETE of dlfcn.h, which node:os does not name. Windows has no such flag. */
const NO_DELETE: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1000, darwin: 0x80 };

/**
 * Keeps native addons that this thread loads in memory until the process ends. When a worker thread ends, Node closes its
 * addons, and the library is unmapped while threads that it started still run in it: the process crashes with SIGSEGV.
 */
export function keepAddonsLoaded(): void {
  const noDelete = NO_DELETE[process.platform];
  if (noDelete === undefined) return;
  const { extensions } = createRequire(import.meta.url);
  extensions['.node'] = (module, filename) => {
    process.dlopen(module, toNamespacedPath(filename), constants.dlopen.RTLD_LAZY | noDelete);
  };
}
