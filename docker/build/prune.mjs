// Image build: takes out of node_modules what no mode loads. Each rule says what it is; the image's tests say that nothing is missed.
import { globSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [modules = 'node_modules'] = process.argv.slice(2);

/** Polyfills for old browsers; sharp for the other C library and for machines that none of its libraries fits. */
const UNUSED = ['core-js', '@img/sharp-linuxmusl-*', '@img/sharp-libvips-linuxmusl-*', '@img/sharp-wasm32'];

/** Of TensorFlow.js's packages, the addon loads one bundle each: package.json's `main`. The rest are bundles for browsers, and sources. */
const BUNDLED = [
  'tfjs',
  'tfjs-core',
  'tfjs-layers',
  'tfjs-converter',
  'tfjs-data',
  'tfjs-backend-cpu',
  'tfjs-backend-webgl',
];

/** onnxruntime-node brings its library for every platform. */
const OTHER_PLATFORMS = 'onnxruntime-node/bin/*/*/*';
for (const path of globSync(OTHER_PLATFORMS, { cwd: modules }))
  if (!path.endsWith(join(process.platform, process.arch))) rmSync(join(modules, path), { recursive: true });

for (const path of globSync(UNUSED, { cwd: modules })) rmSync(join(modules, path), { recursive: true });

for (const name of BUNDLED) {
  const folder = join(modules, '@tensorflow', name);
  const { main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const keep = new Set(['package.json', 'LICENSE', main]);
  for (const path of globSync('**/*', { cwd: folder })) {
    // Packages nested in it are not its own files.
    if (keep.has(path) || path.startsWith('node_modules')) continue;
    if (statSync(join(folder, path)).isFile()) rmSync(join(folder, path));
  }
}

/** The same code a second and third time, for bundlers; tests and documents. */
const DUPLICATES = ['@opentelemetry/*/build/{esm,esnext}', 'bintrees/test', 'fastify/{docs,test}'];
for (const path of globSync(DUPLICATES, { cwd: modules })) rmSync(join(modules, path), { recursive: true });

// TypeScript, source maps and documents of packages: none is read at run time.
for (const path of globSync('**/*.{map,ts,mts,cts,md}', { cwd: modules }))
  rmSync(join(modules, path), { force: true, recursive: true });

// Folders of packages that npm uninstalled, and of what was removed above.
function removeEmpty(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
removeEmpty(modules);
