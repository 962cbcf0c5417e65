import { createPixelRuntime } from './pixel-runtime.ts';
import type { LoadRuntime, Runtime, RuntimeSpec } from './runtime.ts';

/** Each module is the only importer of its library, which is loaded only if a model needs it. */
const LOADERS: Record<RuntimeSpec['engine'], () => Promise<LoadRuntime>> = {
  tensorflow: async () => (await import('./tensorflow.ts')).loadTensorFlowModel,
  wasm: async () => (await import('./wasm.ts')).loadWasmModel,
  onnx: async () => (await import('./onnx.ts')).loadOnnxModel,
};

/**
 * Loads the model of `spec`, runs it once to warm it up, and checks its output.
 *
 * @throws Error with the message of TensorFlow or ONNX Runtime
 */
export async function loadRuntime(spec: RuntimeSpec): Promise<Runtime> {
  const runtime = await load(spec);
  const length = spec.inputShape.reduce((product, side) => product * side, 1);
  const output = await runtime.infer(spec.image ? new Uint8Array(length) : new Float32Array(length), 1);
  if (output.length !== spec.classes) {
    throw new Error(
      `the model returns ${output.length} numbers per input, but its manifest says ${spec.classes}`,
    );
  }
  if (!output.every(Number.isFinite)) throw new Error('the model returns numbers that are not finite');
  return runtime;
}

async function load(spec: RuntimeSpec): Promise<Runtime> {
  if (spec.format === 'compiled') return (await import('./tensorflow-compiled.ts')).loadCompiledModel(spec);
  const runtime = await (await LOADERS[spec.engine]())(spec);
  return (spec.image ? createPixelRuntime(runtime, spec.image) : runtime) as Runtime;
}
