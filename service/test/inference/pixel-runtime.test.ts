import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ImageInput } from '../../../models/manifest.ts';
import { createPixelRuntime } from '../../src/inference/engines/runtimes/pixel-runtime.ts';

const image: ImageInput = {
  kind: 'image',
  height: 1,
  width: 1,
  channels: 'RGB',
  resize: { mode: 'squash' },
  crop: 'center',
  scale: 1,
  mean: [1, 2, 3],
  std: [1, 1, 2],
  layout: 'NHWC',
};

/** A runtime whose calls the test ends, with the batches that it received. */
function setUp() {
  const batches: Float32Array<ArrayBuffer>[] = [];
  const ends: ((output: Float32Array) => void)[] = [];
  const runtime = createPixelRuntime(
    {
      infer(batch) {
        batches.push(batch);
        return new Promise((resolve) => ends.push(resolve));
      },
    },
    image,
  );
  const infer = (size: number, value: number) =>
    runtime.infer(new Uint8Array(size * 3).fill(value), size).catch((error: Error) => error);
  return { batches, ends, infer };
}

describe('a runtime that takes pixels', () => {
  it('normalises each batch in the memory of an earlier one', async () => {
    const { batches, ends, infer } = setUp();
    for (const [call, size] of [2, 1, 2].entries()) {
      const output = infer(size, 5);
      ends[call]?.(new Float32Array(1));
      await output;
    }
    assert.deepEqual(
      batches.map((batch) => [...batch]),
      [
        [4, 3, 1, 4, 3, 1],
        [4, 3, 1],
        [4, 3, 1, 4, 3, 1],
      ],
    );
    assert.equal(new Set(batches.map(({ buffer }) => buffer)).size, 1);
  });

  it('leaves a batch alone while its call runs', async () => {
    const { batches, ends, infer } = setUp();
    const outputs = [infer(1, 5), infer(1, 7)];
    assert.deepEqual([...(batches[0] ?? [])], [4, 3, 1]);
    assert.deepEqual([...(batches[1] ?? [])], [6, 5, 2]);
    for (const end of ends) end(new Float32Array(1));
    await Promise.all(outputs);
  });
});
