import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fromRoot } from './root.ts';

/** An installation without tfjs-node in `root`: the same compiled programs, and links to all other packages. */
export function installWithoutAddon(root: string): void {
  cpSync(fromRoot('package.json'), join(root, 'package.json'));
  for (const part of ['service/src', 'models'])
    cpSync(fromRoot('dist', part), join(root, 'dist', part), { recursive: true });
  const link = (path: string) => {
    mkdirSync(join(root, path));
    for (const name of readdirSync(fromRoot(path))) {
      if (path === 'node_modules' && name === '@tensorflow') link(join(path, name));
      else if (name !== 'tfjs-node') symlinkSync(fromRoot(path, name), join(root, path, name));
    }
  };
  link('node_modules');
}
