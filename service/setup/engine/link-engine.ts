import { randomUUID } from 'node:crypto';
import { cp, lstat, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

const PARTS = ['deps', 'lib'] as const;
const COPIED_SEAL = 'files.json';

/** How the engine gets into node_modules: as a link into the cache, or as a copy that needs no cache (containers). */
export type Placement = 'link' | 'copy';

/** True if the installed @tensorflow/tfjs-node uses the engine in `product`. */
export async function isPlaced(product: string, packageDir: string, placement: Placement): Promise<boolean> {
  if (placement === 'copy') {
    // The copy has the seal of its origin, written last.
    const [copied, sealed] = await Promise.all(
      [packageDir, product].map((folder) =>
        readFile(join(folder, COPIED_SEAL), 'utf8').catch(() => undefined),
      ),
    );
    return copied !== undefined && copied === sealed;
  }
  for (const part of PARTS) {
    const target = await readlink(join(packageDir, part)).catch(() => undefined);
    if (target !== join(product, part)) return false;
  }
  return true;
}

/** Puts the engine in `product` into the installed @tensorflow/tfjs-node. Safe to repeat after an interruption. */
export async function placeEngine(product: string, packageDir: string, placement: Placement): Promise<void> {
  await rm(join(packageDir, COPIED_SEAL), { force: true });
  for (const part of PARTS) {
    const draft = join(packageDir, `.${part}-${randomUUID()}`);
    const target = join(packageDir, part);
    if (placement === 'link') await symlink(join(product, part), draft, 'dir');
    else await cp(join(product, part), draft, { recursive: true, verbatimSymlinks: true });
    // rename() replaces a link in one step, but not a folder.
    if ((await lstat(target).catch(() => undefined))?.isDirectory()) await rm(target, { recursive: true });
    else if (placement === 'copy') await rm(target, { force: true });
    await rename(draft, target);
  }
  if (placement === 'copy') await cp(join(product, COPIED_SEAL), join(packageDir, COPIED_SEAL));
}

/** Removes an engine from the installed package, so that nothing loads it. */
export async function removeEngine(packageDir: string): Promise<void> {
  await mkdir(packageDir, { recursive: true });
  for (const part of [...PARTS, COPIED_SEAL])
    await rm(join(packageDir, part), { recursive: true, force: true });
}
