import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { LoadRuntime } from './runtime.ts';
import { loadTfjsModel } from './tfjs-model.ts';

/** Loads a tfjs layers or graph model on the WebAssembly backend: it needs no native code, and has a tenth of the speed. */
export const loadWasmModel: LoadRuntime = async (spec) => {
  const require = createRequire(import.meta.url);
  // CommonJS builds: the ES modules of these packages import files without their extensions, which Node refuses.
  const tf = require('@tensorflow/tfjs-core') as typeof import('@tensorflow/tfjs-core');
  const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  await tf.setBackend('wasm');
  await tf.ready();
  const layers = require('@tensorflow/tfjs-layers') as typeof import('@tensorflow/tfjs-layers');
  return loadTfjsModel(
    {
      tensor: tf.tensor,
      tidy: tf.tidy,
      loadLayersModel: layers.loadLayersModel,
      loadGraphModel(source) {
        const converter =
          require('@tensorflow/tfjs-converter') as typeof import('@tensorflow/tfjs-converter');
        return converter.loadGraphModel(source);
      },
    },
    spec,
  );
};
