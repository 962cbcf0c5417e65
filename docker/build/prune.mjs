// Image build: takes out of node_modules what no mode loads. Each rule says what it is; the image's tests say that nothing is missed.
import { globSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const [modules = 'node_modules'] = process.argv.slice(2);

/** Only the benchmark's comparison loads these. */
const UNUSED = ['onnxruntime-node', 'onnxruntime-common'];

/** Of TensorFlow.js's packages, the addon loads one bundle each: package.json's `main`. The rest are bundles for browsers, and sources. */
const BUNDLED = ['tfjs', 'tfjs-core', 'tfjs-layers', 'tfjs-converter', 'tfjs-data', 'tfjs-backend-cpu', 'tfjs-backend-webgl'];

/** ENGINE=wasm needs the layers model, which the image does not hold either. */
const WASM = ['@tensorflow/tfjs-backend-wasm'];

for (const name of [...UNUSED, ...WASM]) rmSync(join(modules, name), { recursive: true, force: true });

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

// Type declarations and source maps of packages: neither is read at run time.
for (const path of globSync('**/*.{map,d.ts,d.mts,d.cts}', { cwd: modules })) rmSync(join(modules, path), { force: true });
