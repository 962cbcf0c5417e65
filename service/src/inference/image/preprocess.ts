import { coefficients } from '../../../../models/compiler/pixels.ts';
import { channelCount, type ImageInput } from '../../../../models/manifest.ts';

/**
 * Returns a function that writes the normalised pixels of one picture into a batch:
 * value = (pixel * scale - mean) / std for each channel, in the manifest's channel order and layout.
 *
 * @param pixels 8-bit RGB (or grey), shape [height, width, channels]
 * @param batch float32, shape [n, height, width, channels] (or [n, channels, height, width])
 * @param index position of the picture in the batch
 */
export function createPreprocessor(
  input: ImageInput,
): (pixels: Uint8Array, batch: Float32Array, index: number) => void {
  const channels = channelCount(input);
  const area = input.height * input.width;
  const size = area * channels;
  const { factors, offsets } = coefficients(input);
  if (input.layout === 'NHWC' && channels === 3) return interleaved(size, factors, offsets, input.channels);
  const pixelStep = input.layout === 'NHWC' ? channels : 1;
  const channelStep = input.layout === 'NHWC' ? 1 : area;
  return (pixels, batch, index) => {
    for (let channel = 0; channel < channels; channel++) {
      const [factor, offset] = [factors[channel] as number, offsets[channel] as number];
      const from = input.channels === 'BGR' ? channels - 1 - channel : channel;
      let target = index * size + channel * channelStep;
      for (let source = from; source < size; source += channels) {
        batch[target] = (pixels[source] as number) * factor - offset;
        target += pixelStep;
      }
    }
  };
}

/** The usual layout, in one pass over the pixels and half the time. */
function interleaved(
  size: number,
  [factor0 = 1, factor1 = 1, factor2 = 1]: readonly number[],
  [offset0 = 0, offset1 = 0, offset2 = 0]: readonly number[],
  order: ImageInput['channels'],
): (pixels: Uint8Array, batch: Float32Array, index: number) => void {
  const [first, last] = order === 'BGR' ? [2, 0] : [0, 2];
  return (pixels, batch, index) => {
    const output = batch.subarray(index * size, (index + 1) * size);
    for (let at = 0; at < size; at += 3) {
      output[at] = (pixels[at + first] as number) * factor0 - offset0;
      output[at + 1] = (pixels[at + 1] as number) * factor1 - offset1;
      output[at + 2] = (pixels[at + last] as number) * factor2 - offset2;
    }
  };
}
