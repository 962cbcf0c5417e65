import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The programs that are started, in dist/bundle/<name>.js: the entrypoints of service/src, what docker compose prepares its
 * store with, and the inside of an engine's thread under the name its parent asks for beside itself.
 */
export const PROGRAMS = {
  server: 'service/src/server.ts',
  worker: 'service/src/worker.ts',
  lambda: 'service/src/lambda.ts',
  dispatcher: 'service/src/dispatcher.ts',
  cli: 'service/src/cli.ts',
  'create-bucket': 'docker/create-bucket.mjs',
  'thread-main': 'service/src/inference/engines/thread-main.ts',
};

/** Native code, packages that read files beside their own code, and pino, whose writer runs in a thread of its own. */
export const EXTERNAL = [
  'sharp',
  '@tensorflow/*',
  'onnxruntime-node',
  '@fastify/swagger-ui',
  'pino',
  'pino-pretty',
];

/** ES modules have no `require`; CommonJS packages inside the bundle call it for Node's own modules. */
export const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

const folderOf = (root) => join(root, 'dist', 'bundle');

/** True when every program has been bundled. */
export const isBundled = (root) =>
  Object.keys(PROGRAMS).every((name) => existsSync(join(folderOf(root), `${name}.js`)));

/**
 * Bundles the programs into dist/bundle/, one file for what they share. Node resolves and reads some 900 modules
 * otherwise, which is most of the time a start takes. What is imported on demand stays apart.
 */
export async function bundle(root) {
  const { build } = await import('esbuild');
  // Made beside the old one, which programs may be running from, and then put in its place.
  const made = `${folderOf(root)}-${process.pid}`;
  const old = `${made}-old`;
  await build({
    absWorkingDir: root,
    entryPoints: Object.entries(PROGRAMS).map(([out, source]) => ({ out, in: source })),
    outdir: made,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // `module` first: what packages ship for bundlers is what can be shaken.
    mainFields: ['module', 'main'],
    external: EXTERNAL,
    banner: { js: REQUIRE },
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
  if (existsSync(folderOf(root))) renameSync(folderOf(root), old);
  renameSync(made, folderOf(root));
  rmSync(old, { recursive: true, force: true });
}

if (process.argv[1] === import.meta.filename) await bundle(process.cwd());
