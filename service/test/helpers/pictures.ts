import sharp from 'sharp';

/** A picture of one colour: a small file at any size. */
export function picture(width = 64, height = 48, format: 'jpeg' | 'png' | 'webp' = 'jpeg'): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#3a7' }, limitInputPixels: false })
    .toFormat(format)
    .toBuffer();
}

/** A PNG of noise, which does not compress: about width x height x 3 bytes. */
export function noise(width: number, height: number): Promise<Buffer> {
  return sharp({
    create: {
      width,
      height,
      channels: 3,
      background: '#000',
      noise: { type: 'gaussian', mean: 128, sigma: 60 },
    },
  })
    .png()
    .toBuffer();
}

/** A truncated picture, like an interrupted upload. */
export async function truncatedPicture(): Promise<Buffer> {
  const whole = await noise(200, 200);
  return whole.subarray(0, whole.length / 2);
}
