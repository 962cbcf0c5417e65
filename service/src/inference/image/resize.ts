import type { ImageInput } from '../../../../models/manifest.ts';

/**
 * Largest aspect ratio that is scaled as a whole. The ends of a longer picture are cut off first: they are outside the
 * crop, and scaling them could take gigabytes.
 */
const MAX_ASPECT = 4;

/** In pixels, or in fractions of a picture. */
export interface Size {
  readonly width: number;
  readonly height: number;
}
export interface Region extends Size {
  readonly left: number;
  readonly top: number;
}

/** The size to scale to, with the part to cut out before (if any) and the crop afterwards, in pixels. */
export interface ResizeGeometry extends Size {
  readonly trim?: Region;
  readonly crop: Region;
}

/** How to get from a picture of size `source` to the network's input. */
export function resizeGeometry(source: Size, input: ImageInput): ResizeGeometry {
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

/** The part of the picture that is left after trim and crop, in fractions of its width and height. */
export function visibleRegion(source: Size, { width, height, trim, crop }: ResizeGeometry): Region {
  const part = trim ?? { left: 0, top: 0, ...source };
  const across = part.width / width / source.width;
  const down = part.height / height / source.height;
  return {
    left: part.left / source.width + crop.left * across,
    top: part.top / source.height + crop.top * down,
    width: crop.width * across,
    height: crop.height * down,
  };
}
