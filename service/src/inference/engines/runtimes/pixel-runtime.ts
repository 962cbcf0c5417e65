import { type ImageInput, imageLength } from '../../../../../models/manifest.ts';
import { createPreprocessor } from '../../image/preprocess.ts';
import { createBufferPool } from '../buffer-pool.ts';
import type { FloatRuntime, Runtime } from './runtime.ts';

/**
 * Normalises pixels before the model; compiled models do that in their graph. The normalised batches stay in a pool of
 * this runtime: ONNX Runtime reads its input on threads of its own, so calls that overlap get a buffer each.
 */
export function createPixelRuntime(
  runtime: FloatRuntime,
  image: ImageInput,
): Runtime<Uint8Array<ArrayBuffer>> {
  const write = createPreprocessor(image);
  const length = imageLength(image);
  const pool = createBufferPool();
  return {
    async infer(pixels, size) {
      const buffer = pool.allocate(size * length * Float32Array.BYTES_PER_ELEMENT);
      try {
        const batch = new Float32Array(buffer, 0, size * length);
        for (let index = 0; index < size; index++) {
          write(pixels.subarray(index * length, (index + 1) * length), batch, index);
        }
        return await runtime.infer(batch, size);
      } finally {
        pool.release(buffer);
      }
    },
  };
}
