import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type SetupContext, workFolder } from '../context.ts';
import { SetupError } from '../failure.ts';
import { withStep } from '../progress.mjs';
import { makeSealedFolder } from '../sealed-folder.ts';
import { buildAddon, missingTools } from './build-addon.ts';
import { fetchWheel } from './fetch-wheel.ts';
import { unpackWheel } from './unpack-wheel.ts';
import { engineKey, type Wheel, wheelFor } from './wheels.ts';

/** libtensorflow from a Python wheel with tfjs-node's addon. */
export interface WheelEngine {
  readonly text: string;
  /** Directory of the finished engine in the cache. */
  readonly product: string;
  make(context: SetupContext): Promise<void>;
}

export const tfjsNodeFolder = (root: string) => join(root, 'node_modules', '@tensorflow', 'tfjs-node');

/**
 * The engine for this platform; undefined if there is no pinned wheel. The installer of tfjs-node is no alternative: it
 * checks no hashes.
 */
export async function wheelEngineFor({ root, cacheDir }: SetupContext): Promise<WheelEngine | undefined> {
  const { platform, arch } = process;
  const wheel = wheelFor(platform, arch);
  if (wheel === undefined) return undefined;
  const packageDir = tfjsNodeFolder(root);
  const addonVersion = await packageVersion(packageDir);
  const key = engineKey({ platform, arch, addonVersion, origin: wheel.sha256 });
  const product = join(cacheDir, 'engine', key);
  return {
    text: `TensorFlow ${wheel.version} from the Python wheel`,
    product,
    make: (context) => makeFromWheel(wheel, packageDir, product, context),
  };
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
  await makeSealedFolder(product, workDir, async (folder) => {
    const amount = { total: wheel.unpackedBytes, unit: 'bytes' } as const;
    const step = context.progress.start('engine', 'unpacking libtensorflow', amount);
    await withStep(
      step,
      () => 'libtensorflow unpacked',
      () => unpackWheel(file, folder, (written) => step.update(written)),
    );
    await buildAddon(packageDir, folder, context);
  });
  // Kept until now, so that an interrupted build does not download it again.
  await rm(dirname(file), { recursive: true, force: true });
}

function usesGlibc(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}
