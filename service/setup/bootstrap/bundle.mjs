import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * The programs in dist/bundle/<name>.js: the entrypoints of service/src, the program that docker compose prepares its store
 * with, and the engine's worker thread, under the name that its parent loads.
 */
export const PROGRAMS = {
  server: 'service/src/entrypoints/server.ts',
  worker: 'service/src/entrypoints/worker.ts',
  lambda: 'service/src/entrypoints/lambda.ts',
  dispatcher: 'service/src/entrypoints/dispatcher.ts',
  cli: 'service/src/entrypoints/cli.ts',
  'create-bucket': 'docker/create-bucket.mjs',
  'thread-main': 'service/src/inference/engines/thread/thread-main.ts',
};

/** Native code, packages that read files beside their own code, and pino, which starts a worker thread. */
export const EXTERNAL = [
  'sharp',
  '@tensorflow/*',
  'onnxruntime-node',
  '@fastify/swagger-ui',
  'pino',
  'pino-pretty',
];

/** CommonJS packages in the bundle call `require` for Node's modules; ES modules have none. */
export const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/** Lists in dist/bundle the files that the last build made. */
const LIST = 'files.json';

const folderOf = (root) => join(root, 'dist', 'bundle');
const isProgram = (file) => Object.hasOwn(PROGRAMS, file.replace(/\.js$/, ''));

/** True if every program has been bundled. @param {string} root */
export const isBundled = (root) =>
  [LIST, ...Object.keys(PROGRAMS).map((name) => `${name}.js`)].every((name) =>
    existsSync(join(folderOf(root), name)),
  );

/**
 * Bundles the programs into dist/bundle/, with shared chunks. Without the bundle Node resolves and reads about 900
 * modules, which is most of a start's time. Dynamic imports stay separate chunks.
 *
 * @param {string} root
 */
export async function bundle(root) {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: Object.entries(PROGRAMS).map(([out, source]) => ({ out, in: source })),
    outdir: folderOf(root),
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // `module` first: only ES modules can be tree-shaken.
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
  write(
    folderOf(root),
    outputFiles.map(({ path, contents }) => ({ name: basename(path), contents })),
  );
}

/**
 * Renames the files into place one by one, programs last. The files of the build before stay until the next one: running
 * programs may still load chunks of it.
 */
function write(folder, files) {
  mkdirSync(folder, { recursive: true });
  const list = join(folder, LIST);
  const before = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  const names = files.map(({ name }) => name);
  const kept = new Set([LIST, ...before, ...names]);
  for (const name of readdirSync(folder))
    if (!kept.has(name)) rmSync(join(folder, name), { recursive: true });
  const put = (name, contents) => {
    writeFileSync(join(folder, `${name}.new`), contents);
    renameSync(join(folder, `${name}.new`), join(folder, name));
  };
  const inOrder = [...files].sort((a, b) => Number(isProgram(a.name)) - Number(isProgram(b.name)));
  for (const { name, contents } of inOrder) put(name, contents);
  put(LIST, JSON.stringify(names));
}

if (process.argv[1] === import.meta.filename) await bundle(process.cwd());
