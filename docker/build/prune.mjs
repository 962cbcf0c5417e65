// Image build: removes the files of node_modules that no mode loads. The tests of the image prove that none is missing.
import { globSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [modules = 'node_modules'] = process.argv.slice(2);

/** Polyfills for old browsers; sharp for musl and for unsupported machines. */
const UNUSED = ['core-js', '@img/sharp-linuxmusl-*', '@img/sharp-libvips-linuxmusl-*', '@img/sharp-wasm32'];

/** Packages of TensorFlow.js of which only the `main` bundle is loaded. The rest is bundles for browsers, and sources. */
const BUNDLED = [
  'tfjs',
  'tfjs-core',
  'tfjs-layers',
  'tfjs-converter',
  'tfjs-data',
  'tfjs-backend-cpu',
  'tfjs-backend-webgl',
];

/** onnxruntime-node contains the libraries of every platform. */
const OTHER_PLATFORMS = 'onnxruntime-node/bin/*/*/*';
for (const path of globSync(OTHER_PLATFORMS, { cwd: modules }))
  if (!path.endsWith(join(process.platform, process.arch))) rmSync(join(modules, path), { recursive: true });

for (const path of globSync(UNUSED, { cwd: modules })) rmSync(join(modules, path), { recursive: true });

for (const name of BUNDLED) {
  const folder = join(modules, '@tensorflow', name);
  const { main } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const keep = new Set(['package.json', 'LICENSE', main]);
  for (const path of globSync('**/*', { cwd: folder })) {
    // Skip nested packages.
    if (keep.has(path) || path.startsWith('node_modules')) continue;
    if (statSync(join(folder, path)).isFile()) rmSync(join(folder, path));
  }
}

/** Copies of the same code for bundlers; tests and documents. */
const DUPLICATES = ['@opentelemetry/*/build/{esm,esnext}', 'bintrees/test', 'fastify/{docs,test}'];
for (const path of globSync(DUPLICATES, { cwd: modules })) rmSync(join(modules, path), { recursive: true });

// TypeScript, source maps and documents are not read at run time.
for (const path of globSync('**/*.{map,ts,mts,cts,md}', { cwd: modules }))
  rmSync(join(modules, path), { force: true, recursive: true });

// Directories that npm uninstall and the rules above left empty.
function removeEmpty(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
removeEmpty(modules);
