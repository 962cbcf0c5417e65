import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type SetupContext, workFolder } from '../context.ts';
import { SetupError } from '../failure.ts';
import { withStep } from '../progress.ts';
import { makeSealedFolder } from '../sealed-folder.ts';
import { ADDON } from './addon-path.ts';
import { buildAddon, missingTools } from './build-addon.ts';
import { fetchWheel } from './fetch-wheel.ts';
import { runOwnInstaller } from './own-installer.ts';
import { unpackWheel } from './unpack-wheel.ts';
import { engineKey, type Wheel, wheelFor } from './wheels.ts';

/** One way of getting libtensorflow and the addon. */
export interface Way {
  readonly text: string;
  /** Folder in the cache that holds the finished engine. */
  readonly product: string;
  make(context: SetupContext): Promise<void>;
}

export const tfjsNodeFolder = (root: string) => join(root, 'node_modules', '@tensorflow', 'tfjs-node');

/** The ways there are on this platform, best first. */
export async function waysFor({ root, cacheDir }: SetupContext): Promise<Way[]> {
  const { platform, arch } = process;
  const packageDir = tfjsNodeFolder(root);
  const addonVersion = await packageVersion(packageDir);
  const product = (origin: string) =>
    join(cacheDir, 'engine', engineKey({ platform, arch, addonVersion, origin }));
  const wheel = wheelFor(platform, arch);
  const own: Way = {
    text: "TensorFlow by tfjs-node's own installer",
    product: product('installer'),
    make: (context) => makeWithInstaller(packageDir, product('installer'), context),
  };
  if (wheel === undefined) return [own];
  const built: Way = {
    text: `TensorFlow ${wheel.version} from the Python wheel`,
    product: product(wheel.sha256),
    make: (context) => makeFromWheel(wheel, packageDir, product(wheel.sha256), context),
  };
  return [built, own];
}

async function packageVersion(folder: string): Promise<string> {
  return (JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
}

async function makeFromWheel(
  wheel: Wheel,
  packageDir: string,
  product: string,
  context: SetupContext,
): Promise<void> {
  if (process.platform === 'linux' && !usesGlibc()) {
    throw new SetupError(
      'this Linux has no glibc (Alpine?), which libtensorflow needs: use a Debian-based image',
    );
  }
  const missing = await missingTools(context.environment);
  if (missing !== undefined) throw new SetupError(missing);
  const workDir = workFolder(context.cacheDir);
  const file = await fetchWheel(wheel, join(context.cacheDir, 'downloads'), context);
  await makeSealedFolder(product, workDir, context.hasher, async (folder) => {
    const amount = { total: wheel.unpackedBytes, unit: 'bytes' } as const;
    const step = context.progress.start('engine', 'unpacking libtensorflow', amount);
    await withStep(
      step,
      () => 'libtensorflow unpacked',
      () => unpackWheel(file, folder, (written) => step.update(written)),
    );
    await buildAddon(packageDir, folder, context);
  });
  // Kept until here, so that an interrupted build need not download it again.
  await rm(dirname(file), { recursive: true, force: true });
}

async function makeWithInstaller(packageDir: string, product: string, context: SetupContext): Promise<void> {
  await makeSealedFolder(product, workFolder(context.cacheDir), context.hasher, async (folder) => {
    await runOwnInstaller(packageDir, folder, context);
    const copy = join(folder, 'package');
    if (!existsSync(join(copy, ADDON))) throw new SetupError('the installer ended without an addon');
    await rename(join(copy, 'deps'), join(folder, 'deps'));
    await rename(join(copy, 'lib'), join(folder, 'lib'));
    await rm(copy, { recursive: true });
    await rm(join(folder, '.gyp'), { recursive: true, force: true });
    await rm(join(folder, 'deps', 'include'), { recursive: true, force: true });
  });
}

function usesGlibc(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}
