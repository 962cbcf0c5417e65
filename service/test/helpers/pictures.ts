import sharp from 'sharp';

/** A picture of one colour; small as a file, whatever its size. */
export function picture(width = 64, height = 48, format: 'jpeg' | 'png' | 'webp' = 'jpeg'): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#3a7' }, limitInputPixels: false })
    .toFormat(format)
    .toBuffer();
}

/** A picture of noise, whose file cannot be made small: about width x height x 3 bytes as PNG. */
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

/** A picture that ends in the middle, as an upload that broke off. */
export async function truncatedPicture(): Promise<Buffer> {
  const whole = await noise(200, 200);
  return whole.subarray(0, whole.length / 2);
}
