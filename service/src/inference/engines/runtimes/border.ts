import type { Border } from '../../../../../models/compiler/pixels.ts';

/**
 * Returns a function that copies pictures into a batch with a border around each. It owns the batch and overwrites it in
 * the next call.
 *
 * @param shape of one picture without the border: [height, width, channels], uint8
 */
export function createBorderWriter(
  [height = 0, width = 0, channels = 0]: readonly number[],
  { margins: [[top, bottom], [left, right]], color }: Border,
): (pixels: Uint8Array, size: number) => Uint8Array {
  const row = (left + width + right) * channels;
  const length = (top + height + bottom) * row;
  let batch = new Uint8Array(0);

  return (pixels, size) => {
    if (batch.length < size * length) {
      // The border never changes, so it is painted once.
      batch = new Uint8Array(size * length);
      for (let i = 0; i < batch.length; i++) batch[i] = color[i % channels] ?? 0;
    }
    for (let picture = 0; picture < size; picture++) {
      for (let y = 0; y < height; y++) {
        const source = (picture * height + y) * width * channels;
        const target = picture * length + (top + y) * row + left * channels;
        batch.set(pixels.subarray(source, source + width * channels), target);
      }
    }
    return batch.subarray(0, size * length);
  };
}
