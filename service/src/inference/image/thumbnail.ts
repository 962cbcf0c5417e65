import { type DecodeLimits, withImage } from './decode.ts';

/** Longest side in pixels: twice what the page shows, for dense screens. */
const SIDE = 192;

/**
 * Returns a function that makes a thumbnail of an encoded image: a WebP of a few KB, upright, without the image's
 * metadata, at most SIDE pixels on its longest side. It throws AppError UNREADABLE_IMAGE and IMAGE_TOO_LARGE.
 */
export function createThumbnailer(limits: DecodeLimits): (image: Uint8Array) => Promise<Buffer> {
  return (bytes) =>
    withImage(bytes, limits, (image) =>
      image
        .autoOrient()
        .resize(SIDE, SIDE, { fit: 'inside', withoutEnlargement: true })
        .flatten({ background: '#fff' })
        .toColourspace('srgb')
        .webp({ quality: 75 })
        .toBuffer(),
    );
}
