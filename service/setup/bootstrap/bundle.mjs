import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/**
 * The programs that are started, in dist/bundle/<name>.js: the entrypoints of service/src, what docker compose prepares its
 * store with, and the inside of an engine's thread under the name its parent asks for beside itself.
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

/** In dist/bundle: the names of what the last build made. */
const LIST = 'files.json';

const folderOf = (root) => join(root, 'dist', 'bundle');
const isProgram = (file) => Object.hasOwn(PROGRAMS, file.replace(/\.js$/, ''));

/** True when every program has been bundled. */
export const isBundled = (root) =>
  [LIST, ...Object.keys(PROGRAMS).map((name) => `${name}.js`)].every((name) =>
    existsSync(join(folderOf(root), name)),
  );

/**
 * Bundles the programs into dist/bundle/, one file for what they share. Node resolves and reads some 900 modules
 * otherwise, which is most of the time a start takes. What is imported on demand stays apart.
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
  write(
    folderOf(root),
    outputFiles.map(({ path, contents }) => ({ name: basename(path), contents })),
  );
}

/**
 * Puts the files in place one by one, programs last. What the build before made stays until the next: programs that run
 * from it may have parts of it still to load.
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
