import { InvalidArgumentError } from 'commander';
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

const UNITS: Readonly<Record<string, number>> = { kb: 1e3, mb: 1e6, kib: 1024, mib: 1024 ** 2 };
const MAX_MEGAPIXELS = 1000;

/** ImageNet's usual size, which the documented speeds were measured with. */
export const DEFAULT_SIZE = ofPixels(500, 375);

/** "4000x3000", "12MP" or "3.5MB"; for commander. */
export function parseSize(text: string): PictureSize {
  const sides = /^(\d{1,5})[x×](\d{1,5})$/i.exec(text);
  if (sides) return checked(ofPixels(Number(sides[1]), Number(sides[2])));
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(mp|kb|mb|kib|mib)$/i.exec(text) ?? [];
  const value = Number(number);
  if (unit === '') throw new InvalidArgumentError('write it like 4000x3000, 12MP or 3.5MB');
  const bytes = UNITS[unit.toLowerCase()];
  const pixels = bytes === undefined ? value * 1e6 : (value * bytes) / BYTES_PER_PIXEL;
  if (!(pixels >= 1)) throw new InvalidArgumentError('a picture has at least one pixel');
  // Four to three, as most cameras take them.
  const height = Math.max(1, Math.round(Math.sqrt((pixels * 3) / 4)));
  return checked(ofPixels(Math.max(1, Math.round(pixels / height)), height));
}

function ofPixels(width: number, height: number): PictureSize {
  return { width, height, bytes: Math.round(width * height * BYTES_PER_PIXEL) };
}

function checked(size: PictureSize): PictureSize {
  const megapixels = megapixelsOf(size);
  if (megapixels > 0 && megapixels <= MAX_MEGAPIXELS) return size;
  throw new InvalidArgumentError(`a picture has from one pixel up to ${MAX_MEGAPIXELS} megapixels`);
}

export const megapixelsOf = ({ width, height }: PictureSize): number => (width * height) / 1e6;

/** "4000 × 3000 pixels (12 MP, about 3.6 MB)" */
export const describeSize = (size: PictureSize): string =>
  `${size.width} × ${size.height} pixels (${formatNumber(megapixelsOf(size))} MP, about ${formatBytes(size.bytes)})`;
