import { formatBytes, formatNumber } from '../format.ts';

/** What a picture of the plan is like. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
  /** Of the file. */
  readonly bytes: number;
}

/** JPEG files of cameras have about this many bytes for each pixel. */
export const BYTES_PER_PIXEL = 0.3;

/** ImageNet's usual size, which the documented speeds were measured with. */
export const DEFAULT_SIZE: PictureSize = sizeOf(500, 375);

export function sizeOf(width: number, height: number): PictureSize {
  return { width, height, bytes: Math.round(width * height * BYTES_PER_PIXEL) };
}

/** A picture of so many pixels, four to three, as most cameras take them. */
export function sizeOfPixels(pixels: number): PictureSize {
  const height = Math.max(1, Math.round(Math.sqrt((pixels * 3) / 4)));
  return sizeOf(Math.max(1, Math.round(pixels / height)), height);
}

export const megapixelsOf = ({ width, height }: PictureSize): number => (width * height) / 1e6;

/** "4000 × 3000 pixels (12 MP, about 3.6 MB)" */
export const describeSize = (size: PictureSize): string =>
  `${size.width} × ${size.height} pixels (${formatNumber(megapixelsOf(size))} MP, about ${formatBytes(size.bytes)})`;
