import { formatBytes, formatNumber } from '../format.ts';

/** The average image of a plan. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
  /** Of the file. */
  readonly bytes: number;
}

/** Typical for JPEG files of cameras. */
export const BYTES_PER_PIXEL = 0.3;

/** ImageNet's usual size; documented speeds are for it. */
export const DEFAULT_SIZE: PictureSize = sizeOf(500, 375);

export function sizeOf(width: number, height: number): PictureSize {
  return { width, height, bytes: Math.round(width * height * BYTES_PER_PIXEL) };
}

/** An image with that number of pixels and an aspect ratio of 4:3. */
export function sizeOfPixels(pixels: number): PictureSize {
  const height = Math.max(1, Math.round(Math.sqrt((pixels * 3) / 4)));
  return sizeOf(Math.max(1, Math.round(pixels / height)), height);
}

export const megapixelsOf = ({ width, height }: PictureSize): number => (width * height) / 1e6;

/** "4000 × 3000 pixels (12 MP, about 3.6 MB)" */
export const describeSize = (size: PictureSize): string =>
  `${size.width} × ${size.height} pixels (${formatNumber(megapixelsOf(size))} MP, about ${formatBytes(size.bytes)})`;
