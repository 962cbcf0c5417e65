import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildFailure, buildSync } from 'esbuild';
import { AppError } from '../../service/src/domain/errors.ts';

export interface BundleOptions {
  /** TypeScript source, absolute. */
  readonly entry: string;
  /** Output folder of index.mjs. */
  readonly folder: string;
}

/** ES modules have no `require`, but CommonJS packages in the bundle call it for Node's built-in modules. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/**
 * Bundles a Lambda entrypoint from its source into one ES module, without Docker or network. The bundle includes the AWS
 * SDK: the lock file pins its version, and one file loads faster than the runtime's copy.
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
      // `module` first: only the ES module build of a package can be tree-shaken.
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
