import type { ImageInput } from '../../../models/manifest.ts';

/**
 * Returns a function that writes one picture's pixels into a batch as the network wants them:
 * value = (pixel * scale - mean) / std, channel by channel, in the manifest's channel order and layout.
 *
 * @param pixels 8-bit RGB (or grey), shape [height, width, channels]
 * @param batch float32, shape [n, height, width, channels] (or [n, channels, height, width])
 * @param index which picture of the batch
 */
export function createPreprocessor(
  input: ImageInput,
): (pixels: Uint8Array, batch: Float32Array, index: number) => void {
  const channels = input.channels === 'GRAY' ? 1 : 3;
  // A pixel has 256 values, so the arithmetic is done once for each of them. Table and mean are in output order.
  const tables = input.mean.map((mean, channel) =>
    Float32Array.from(
      { length: 256 },
      (_, value) => (value * input.scale - mean) / (input.std[channel] ?? 1),
    ),
  );
  const area = input.height * input.width;
  const size = area * channels;
  const pixelStep = input.layout === 'NHWC' ? channels : 1;
  const channelStep = input.layout === 'NHWC' ? 1 : area;
  return (pixels, batch, index) => {
    for (let channel = 0; channel < channels; channel++) {
      const table = tables[channel] as Float32Array;
      const from = input.channels === 'BGR' ? channels - 1 - channel : channel;
      let target = index * size + channel * channelStep;
      for (let source = from; source < size; source += channels) {
        batch[target] = table[pixels[source] as number] as number;
        target += pixelStep;
      }
    }
  };
}
