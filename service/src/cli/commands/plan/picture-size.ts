import { InvalidArgumentError } from 'commander';
import {
  BYTES_PER_PIXEL,
  megapixelsOf,
  type PictureSize,
  sizeOf,
  sizeOfPixels,
} from '../../../domain/estimate/picture-size.ts';

const UNITS: Readonly<Record<string, number>> = { kb: 1e3, mb: 1e6, kib: 1024, mib: 1024 ** 2 };
const MAX_MEGAPIXELS = 1000;

/** A commander parser of "4000x3000", "12MP" or "3.5MB". */
export function parseSize(text: string): PictureSize {
  const sides = /^(\d{1,5})[x×](\d{1,5})$/i.exec(text);
  if (sides) return checked(sizeOf(Number(sides[1]), Number(sides[2])));
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(mp|kb|mb|kib|mib)$/i.exec(text) ?? [];
  const value = Number(number);
  if (unit === '') throw new InvalidArgumentError('expected a size like 4000x3000, 12MP or 3.5MB');
  const bytes = UNITS[unit.toLowerCase()];
  const pixels = bytes === undefined ? value * 1e6 : (value * bytes) / BYTES_PER_PIXEL;
  if (!(pixels >= 1)) throw new InvalidArgumentError('must be at least one pixel');
  return checked(sizeOfPixels(pixels));
}

function checked(size: PictureSize): PictureSize {
  const megapixels = megapixelsOf(size);
  if (megapixels > 0 && megapixels <= MAX_MEGAPIXELS) return size;
  throw new InvalidArgumentError(`must be from one pixel up to ${MAX_MEGAPIXELS} megapixels`);
}
