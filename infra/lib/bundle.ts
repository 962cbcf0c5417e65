import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildFailure, buildSync } from 'esbuild';
import { AppError } from '../../service/src/domain/errors.ts';

export interface BundleOptions {
  /** TypeScript source, absolute. */
  readonly entry: string;
  /** Folder to write index.mjs to. */
  readonly folder: string;
}

/** ES modules have no `require`; some CommonJS packages inside the bundle call it for Node's own modules. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/**
 * Bundles one Lambda entrypoint into a single ES module, straight from its source: no build step before it, no Docker, no network.
 * The AWS SDK goes in too: the lock file decides its version, and one file loads faster than the runtime's own copy.
 *
 * @returns the size in bytes
 * @throws AppError INVALID_CONFIGURATION with esbuild's first error
 */
export function bundleFunction({ entry, folder }: BundleOptions): number {
  mkdirSync(folder, { recursive: true });
  try {
    const { metafile } = buildSync({
      entryPoints: [entry],
      outfile: join(folder, 'index.mjs'),
      bundle: true,
      platform: 'node',
      target: 'node22',
      format: 'esm',
      // `module` first: what packages ship for bundlers is what can be shaken.
      mainFields: ['module', 'main'],
      banner: { js: REQUIRE },
      minifySyntax: true,
      minifyWhitespace: true,
      legalComments: 'none',
      metafile: true,
      logLevel: 'silent',
    });
    return Object.values(metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  } catch (error) {
    const [first] = (error as Partial<BuildFailure>).errors ?? [];
    const where = first?.location ? ` (${first.location.file}:${first.location.line})` : '';
    const what = first?.text ?? (error instanceof Error ? error.message : String(error));
    throw new AppError(
      'INVALID_CONFIGURATION',
      `cannot bundle ${entry}: ${what}${where}`,
      {},
      { cause: error },
    );
  }
}
