import sharp from 'sharp';
import type { ImageInput } from '../../../../models/manifest.ts';
import type { ByteBudget } from '../../domain/byte-budget.ts';
import { AppError } from '../../domain/errors.ts';
import { decodeBytes } from './decode-memory.ts';
import { countScans, MAX_SCANS } from './jpeg-scans.ts';
import { countChunks, MAX_CHUNKS } from './webp-chunks.ts';

// Only what people call pictures: no SVG, PDF or raw formats, whose loaders can read other files or run for ever.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Heif', 'Tiff', 'Nsgif'].map((format) => `VipsForeignLoad${format}`),
});
// Requests are decoded side by side, one thread each; nothing is worth remembering between them.
sharp.concurrency(1);
sharp.cache(false);

export interface DecodeLimits {
  /** Largest width x height, in pixels. */
  readonly maxPixels: number;
  /** What all decoders may hold in memory together; unbounded when absent. */
  readonly memory?: ByteBudget;
}

/** Beyond this aspect ratio the far ends are cut off before scaling: they are outside the crop anyway, and scaling them could take gigabytes. */
const MAX_ASPECT = 4;

/** A decoded picture, cropped and scaled for the network. */
export interface Decoded {
  /** 8-bit sRGB (or grey) pixels, shape [height, width, channels]. */
  readonly pixels: Uint8Array;
  /** The upright picture's width and height, in pixels. */
  readonly picture: Size;
  /** The part of it that `pixels` show, in fractions of its width and height. */
  readonly region: Region;
}

/**
 * Decodes an encoded image and scales and crops it to the network's input, upright by its EXIF orientation.
 *
 * @param bytes JPEG, PNG, WebP, AVIF, TIFF or GIF (its first frame)
 * @throws AppError UNREADABLE_IMAGE, IMAGE_TOO_LARGE (more than limits.maxPixels)
 */
export async function decode(bytes: Uint8Array, input: ImageInput, limits: DecodeLimits): Promise<Decoded> {
  if (bytes.length === 0) throw new AppError('UNREADABLE_IMAGE', 'the image is empty (0 bytes)');
  if (countChunks(bytes) > MAX_CHUNKS) {
    throw new AppError('UNREADABLE_IMAGE', `the WebP has more than ${MAX_CHUNKS} frames; send one of them`);
  }
  const image = sharp(bytes, { failOn: 'error', limitInputPixels: limits.maxPixels, sequentialRead: true });
  let release: (() => void) | undefined;
  try {
    const header = await image.metadata();
    const { autoOrient, hasAlpha } = header;
    const source = { width: autoOrient.width, height: autoOrient.height };
    if (source.width * source.height > limits.maxPixels) {
      throw new AppError('IMAGE_TOO_LARGE', tooManyPixels(limits, source));
    }
    if (header.format === 'jpeg' && header.isProgressive && countScans(bytes) > MAX_SCANS) {
      throw new AppError('UNREADABLE_IMAGE', `the JPEG has more than ${MAX_SCANS} scans; save it again`);
    }
    release = await limits.memory?.acquire(decodeBytes(header));
    const plan = planResize(source, input);
    let pipeline = image.autoOrient();
    if (plan.trim) pipeline = pipeline.extract(plan.trim);
    const kernel = input.resize.kernel ?? 'linear';
    pipeline = pipeline.resize(plan.width, plan.height, { fit: 'fill', kernel }).extract(plan.crop);
    if (hasAlpha) pipeline = pipeline.flatten({ background: '#fff' });
    const { data, info } = await pipeline
      .toColourspace(input.channels === 'GRAY' ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const expected = input.channels === 'GRAY' ? 1 : 3;
    if (info.channels !== expected) throw new Error(`decoded to ${info.channels} channels, not ${expected}`);
    return { pixels: data, picture: source, region: visibleRegion(source, plan) };
  } catch (error) {
    throw translate(error as Error, limits);
  } finally {
    release?.();
  }
}

function translate(error: Error, limits: DecodeLimits): AppError {
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

export interface Size {
  readonly width: number;
  readonly height: number;
}
interface Region extends Size {
  readonly left: number;
  readonly top: number;
}

/** What is left of the picture after trim and crop, in fractions of its width and height. */
function visibleRegion(source: Size, plan: ResizePlan): Region {
  const trim = plan.trim ?? { left: 0, top: 0, ...source };
  const across = trim.width / plan.width / source.width;
  const down = trim.height / plan.height / source.height;
  return {
    left: trim.left / source.width + plan.crop.left * across,
    top: trim.top / source.height + plan.crop.top * down,
    width: plan.crop.width * across,
    height: plan.crop.height * down,
  };
}

/** The size to scale to, what to trim before and to crop afterwards. */
export interface ResizePlan extends Size {
  readonly trim?: Region;
  readonly crop: Region;
}

/** How to get from a picture of size `source` to the input: an optional trim, a scaling, and a crop of the scaled picture. */
export function planResize(source: Size, input: ImageInput): ResizePlan {
  const { width, height } = input;
  if (input.resize.mode === 'squash') return { width, height, crop: { left: 0, top: 0, width, height } };
  const trimmed = {
    width: Math.min(source.width, source.height * MAX_ASPECT),
    height: Math.min(source.height, source.width * MAX_ASPECT),
  };
  const scale =
    input.resize.mode === 'shorter-side'
      ? (input.resize.size ?? Math.max(width, height)) / Math.min(trimmed.width, trimmed.height)
      : Math.max(width / trimmed.width, height / trimmed.height);
  const scaled = {
    width: Math.max(width, Math.round(trimmed.width * scale)),
    height: Math.max(height, Math.round(trimmed.height * scale)),
  };
  const crop = { ...centred(scaled, input), width, height };
  const isTrimmed = trimmed.width !== source.width || trimmed.height !== source.height;
  return { ...scaled, crop, ...(isTrimmed ? { trim: { ...centred(source, trimmed), ...trimmed } } : {}) };
}

const centred = (outer: Size, inner: Size) => ({
  left: Math.floor((outer.width - inner.width) / 2),
  top: Math.floor((outer.height - inner.height) / 2),
});
