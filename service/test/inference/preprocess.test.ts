import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ImageInput } from '../../../models/manifest.ts';
import { createPreprocessor } from '../../src/inference/image/preprocess.ts';

const base: ImageInput = {
  kind: 'image',
  height: 1,
  width: 2,
  channels: 'RGB',
  resize: { mode: 'squash' },
  crop: 'center',
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  layout: 'NHWC',
};
// Two pixels: (10, 20, 30) and (40, 50, 60).
const pixels = Uint8Array.from([10, 20, 30, 40, 50, 60]);

const cases: readonly (readonly [string, Partial<ImageInput>, readonly number[]])[] = [
  ['leaves RGB as it is', {}, [10, 20, 30, 40, 50, 60]],
  [
    'swaps to BGR and subtracts the mean in that order',
    { channels: 'BGR', mean: [1, 2, 3] },
    [29, 18, 7, 59, 48, 37],
  ],
  [
    'scales before it subtracts and divides',
    { scale: 0.5, mean: [5, 5, 5], std: [1, 5, 10] },
    [0, 1, 1, 15, 4, 2.5],
  ],
  ['puts channels first', { layout: 'NCHW' }, [10, 40, 20, 50, 30, 60]],
];

describe('preprocess', () => {
  for (const [what, change, expected] of cases) {
    it(what, () => {
      const batch = new Float32Array(12);
      createPreprocessor({ ...base, ...change })(pixels, batch, 1);
      assert.deepEqual(
        [...batch.subarray(0, 6)],
        [0, 0, 0, 0, 0, 0],
        'another picture of the batch was touched',
      );
      assert.deepEqual([...batch.subarray(6)], expected);
    });
  }

  it('takes grey pictures', () => {
    const batch = new Float32Array(2);
    createPreprocessor({ ...base, channels: 'GRAY', mean: [1], std: [2] })(Uint8Array.from([3, 5]), batch, 0);
    assert.deepEqual([...batch], [1, 2]);
  });
});
