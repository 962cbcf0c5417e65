import type { ImageInput } from '../../../../../models/manifest.ts';
import { createPreprocessor } from '../../image/preprocess.ts';
import type { EngineInput } from '../engine.ts';
import type { OpenRuntime, Runtime, RuntimeSpec } from './runtime.ts';

/** Each module is the only importer of its library, and is loaded only when a model asks for it. */
const OPENERS: Record<RuntimeSpec['engine'], () => Promise<OpenRuntime>> = {
  tensorflow: async () => (await import('./tensorflow.ts')).openTensorFlow,
  wasm: async () => (await import('./wasm.ts')).openWasm,
  onnx: async () => (await import('./onnx.ts')).openOnnx,
};

/**
 * Opens the model of `spec` and runs it once for each size of `spec.warmUp`.
 *
 * @throws Error with what is wrong, in TensorFlow's or ONNX Runtime's words
 */
export async function openRuntime(spec: RuntimeSpec): Promise<Runtime> {
  const runtime = await open(spec);
  const length = spec.inputShape.reduce((product, side) => product * side, 1);
  for (const size of spec.warmUp) {
    const input = spec.image ? new Uint8Array(size * length) : new Float32Array(size * length);
    const output = await runtime.infer(input, size);
    if (output.length !== size * spec.classes) {
      throw new Error(
        `the model answers ${output.length / size} numbers an input, its manifest says ${spec.classes}`,
      );
    }
    if (!output.every(Number.isFinite)) throw new Error('the model answers numbers that are not finite');
  }
  return runtime;
}

async function open(spec: RuntimeSpec): Promise<Runtime> {
  if (spec.format === 'compiled') return (await import('./tensorflow-compiled.ts')).openCompiled(spec);
  const runtime = await (await OPENERS[spec.engine]())(spec);
  return (spec.image ? onPixels(runtime, spec.image) : runtime) as Runtime;
}

/** Normalises pixels before the model; compiled models do that in their graph. */
function onPixels(
  runtime: Runtime<Float32Array<ArrayBuffer>>,
  image: ImageInput,
): Runtime<Uint8Array<ArrayBuffer>> {
  const write = createPreprocessor(image);
  const length = image.height * image.width * (image.channels === 'GRAY' ? 1 : 3);
  const normalise = (pixels: EngineInput, size: number) => {
    const batch = new Float32Array(size * length);
    for (let index = 0; index < size; index++) {
      write(pixels.subarray(index * length, (index + 1) * length) as Uint8Array, batch, index);
    }
    return batch;
  };
  return { infer: (pixels, size) => runtime.infer(normalise(pixels, size), size) };
}
