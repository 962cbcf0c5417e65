import sharp, { type Metadata, type Sharp } from 'sharp';
import { channelCount, type ImageInput } from '../../../../models/manifest.ts';
import type { ByteBudget } from '../../domain/byte-budget.ts';
import { AppError } from '../../domain/errors.ts';
import { decodeBytes } from './decode-memory.ts';
import { countScans, MAX_SCANS } from './jpeg-scans.ts';
import { type Region, resizeGeometry, type Size, visibleRegion } from './resize.ts';
import { countChunks, MAX_CHUNKS } from './webp-chunks.ts';

// Pictures only: the loaders of SVG, PDF and raw formats can read other files or run without end.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Heif', 'Tiff', 'Nsgif'].map((format) => `VipsForeignLoad${format}`),
});
// Requests are decoded in parallel, with one thread each, and share nothing worth caching.
sharp.concurrency(1);
sharp.cache(false);

export interface DecodeLimits {
  /** Largest width x height, in pixels. */
  readonly maxPixels: number;
  /** Shared by all decoders; unbounded if absent. */
  readonly memory?: ByteBudget;
}

/** A decoded picture, scaled and cropped for the network. */
export interface Decoded {
  /** 8-bit sRGB or grey, shape [height, width, channels]; the caller owns it. */
  readonly pixels: Uint8Array;
  /** The upright picture's width and height, in pixels. */
  readonly picture: Size;
  /** The part of the upright picture that `pixels` show, in fractions of its width and height. */
  readonly region: Region;
}

/**
 * Checks the header of an encoded image, reserves the decoder's memory and runs `work` on its pipeline.
 *
 * @param bytes JPEG, PNG, WebP, AVIF, TIFF or GIF (its first frame)
 * @throws AppError UNREADABLE_IMAGE (also for 0 bytes), IMAGE_TOO_LARGE (more than limits.maxPixels)
 */
export async function withImage<T>(
  bytes: Uint8Array,
  limits: DecodeLimits,
  work: (image: Sharp, header: Metadata) => Promise<T>,
): Promise<T> {
  if (bytes.length === 0) throw new AppError('UNREADABLE_IMAGE', 'the image is empty (0 bytes)');
  if (countChunks(bytes) > MAX_CHUNKS) {
    throw new AppError('UNREADABLE_IMAGE', `the WebP has more than ${MAX_CHUNKS} frames; send one of them`);
  }
  const image = sharp(bytes, { failOn: 'error', limitInputPixels: limits.maxPixels, sequentialRead: true });
  let release: (() => void) | undefined;
  try {
    const header = await image.metadata();
    if (header.width * header.height > limits.maxPixels) {
      throw new AppError('IMAGE_TOO_LARGE', tooManyPixels(limits, header.autoOrient));
    }
    if (header.format === 'jpeg' && header.isProgressive && countScans(bytes) > MAX_SCANS) {
      throw new AppError('UNREADABLE_IMAGE', `the JPEG has more than ${MAX_SCANS} scans; save it again`);
    }
    release = await limits.memory?.acquire(decodeBytes(header));
    return await work(image, header);
  } catch (error) {
    throw toImageError(error as Error, limits);
  } finally {
    release?.();
  }
}

/** Decodes an encoded image and scales and crops it to the network's input, upright by its EXIF orientation. Throws as `withImage`. */
export function decode(bytes: Uint8Array, input: ImageInput, limits: DecodeLimits): Promise<Decoded> {
  return withImage(bytes, limits, async (image, { autoOrient, hasAlpha }) => {
    const source = { width: autoOrient.width, height: autoOrient.height };
    const geometry = resizeGeometry(source, input);
    let pipeline = image.autoOrient();
    if (geometry.trim) pipeline = pipeline.extract(geometry.trim);
    const kernel = input.resize.kernel ?? 'linear';
    pipeline = pipeline
      .resize(geometry.width, geometry.height, { fit: 'fill', kernel })
      .extract(geometry.crop);
    if (hasAlpha) pipeline = pipeline.flatten({ background: '#fff' });
    const { data, info } = await pipeline
      .toColourspace(input.channels === 'GRAY' ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const expected = channelCount(input);
    if (info.channels !== expected) throw new Error(`decoded to ${info.channels} channels, not ${expected}`);
    return { pixels: data, picture: source, region: visibleRegion(source, geometry) };
  });
}

function toImageError(error: Error, limits: DecodeLimits): AppError {
  if (error instanceof AppError) return error;
  if (/exceeds pixel limit/i.test(error.message)) {
    return new AppError('IMAGE_TOO_LARGE', tooManyPixels(limits), {}, { cause: error });
  }
  const reason = /unsupported image format/i.test(error.message)
    ? 'not a JPEG, PNG, WebP, AVIF, TIFF or GIF image'
    : 'the image is damaged or cut short';
  return new AppError('UNREADABLE_IMAGE', reason, {}, { cause: error });
}

function tooManyPixels({ maxPixels }: DecodeLimits, size?: Size): string {
  const is = size ? ` (it has ${size.width} x ${size.height})` : '';
  return `the image has more than ${maxPixels} pixels${is}; scale it down or raise MAX_IMAGE_PIXELS`;
}
