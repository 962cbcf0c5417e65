import type { Metadata } from 'sharp';

/**
 * Peak memory for decoding a picture, in bytes, estimated from its header. The factors are peaks of resident memory,
 * measured with libvips on pictures of 20 megapixels and rounded up. Loaders that stream hold a few rows; the others hold
 * the whole picture, some of them twice.
 */
export function decodeBytes(header: Metadata): number {
  const pixels = header.width * header.height;
  return Math.ceil(pixels * (loaderBytes(header) + orientBytes(header)));
}

/** Bytes per pixel that the loader holds. */
function loaderBytes(header: Metadata): number {
  const { format, channels = 4, isProgressive = false } = header;
  const sample = sampleBytes(header);
  switch (format) {
    case 'jpeg':
      // A progressive JPEG: all coefficients, 2 bytes each.
      return isProgressive ? 2 * channels + 1 : 1;
    case 'png':
      return isProgressive ? channels * sample + 3 : 3;
    case 'webp':
      return 5;
    case 'gif':
      return 6;
    case 'tiff':
      // A strip or a tile can be as large as the picture.
      return 2 * channels * sample + 1;
    default:
      // AVIF: 16-bit planes, their conversion, and the picture.
      return 28;
  }
}

/** Bytes per pixel for turning the picture upright, which needs the whole picture. */
const orientBytes = (header: Metadata): number =>
  header.orientation !== undefined && header.orientation > 1
    ? (header.channels ?? 4) * sampleBytes(header) + 1
    : 0;

/** Bytes of one channel of one pixel; libvips names them after C's types. */
function sampleBytes({ depth }: Metadata): number {
  if (depth === 'uchar' || depth === 'char') return 1;
  if (depth === 'ushort' || depth === 'short') return 2;
  return depth === 'double' || depth === 'complex' ? 8 : depth === 'dpcomplex' ? 16 : 4;
}
