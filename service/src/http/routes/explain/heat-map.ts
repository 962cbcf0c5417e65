import sharp from 'sharp';
import type { Explanation } from '../../../domain/classifier.ts';

/** Longest side of a heat map, in pixels: smooth as it is, more would only be larger. */
const MAX_SIDE = 1024;

/**
 * Ten stops of matplotlib's `inferno` (CC0), of which lightness rises evenly: what is brighter is more, in print and for
 * colour-blind people too. Its black end is left out, as it would read as shadow on a picture.
 */
const STOPS = ['#4a0b6a', '#781c6d', '#a42c60', '#cd4247', '#ed6825', '#fb9906', '#f7cf3d', '#fcfea4'];

/** Opacity of the strongest place, 0-255: the picture should still be seen under it. */
const MAX_ALPHA = 235;

/** Share of the region's side that fades out at an edge inside the picture. */
const FADED_SHARE = 0.08;

/** RGBA of each of the 256 strengths. */
const RAMP = Array.from({ length: 256 }, (_, strength) => {
  const at = (strength / 255) * (STOPS.length - 1);
  const left = Math.min(Math.floor(at), STOPS.length - 2);
  const channel = (stop: number, shift: number) =>
    (Number.parseInt((STOPS[stop] as string).slice(1), 16) >> shift) & 255;
  const mixed = [16, 8, 0].map((shift) =>
    Math.round(channel(left, shift) + (at - left) * (channel(left + 1, shift) - channel(left, shift))),
  );
  return [...mixed, Math.round((strength / 255) ** 1.25 * MAX_ALPHA)];
});

/**
 * A heat map to lay over the whole upright picture.
 *
 * @returns a PNG (RGBA) with the picture's proportions, at most MAX_SIDE pixels on its longest side; transparent outside
 * the region the network saw, where nothing speaks for the class, and towards edges of the region inside the picture
 */
export async function drawHeatMap({ grid, region, picture }: Explanation): Promise<Buffer> {
  const scale = Math.min(1, MAX_SIDE / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const left = Math.min(width - 1, Math.round(region.left * width));
  const top = Math.min(height - 1, Math.round(region.top * height));
  const part = {
    width: Math.max(1, Math.min(width - left, Math.round(region.width * width))),
    height: Math.max(1, Math.min(height - top, Math.round(region.height * height))),
  };
  const strengths = await sharp(bytesOf(grid), {
    raw: { width: grid[0]?.length ?? 1, height: grid.length, channels: 1 },
  })
    .resize(part.width, part.height, { fit: 'fill', kernel: 'cubic' })
    .toColourspace('b-w')
    .raw({ depth: 'uchar' })
    .toBuffer();
  const pixels = Buffer.alloc(width * height * 4);
  const across = fade(part.width, left > 0, left + part.width < width);
  const down = fade(part.height, top > 0, top + part.height < height);
  for (let y = 0; y < part.height; y++) {
    for (let x = 0; x < part.width; x++) {
      const colour = RAMP[strengths[y * part.width + x] ?? 0];
      if (!colour) continue;
      const at = ((y + top) * width + x + left) * 4;
      pixels.set(colour, at);
      pixels[at + 3] = Math.round((colour[3] ?? 0) * (across[x] ?? 1) * (down[y] ?? 1));
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 4 } })
    .png({ compressionLevel: 6 })
    .toBuffer();
}

/**
 * Factors for the alpha along one side of the region. Where the region ends inside the picture, they fall to 0: a hard
 * edge there would show the frame of the crop, which is no evidence.
 */
function fade(length: number, atStart: boolean, atEnd: boolean): Float32Array {
  const band = Math.max(1, length * FADED_SHARE);
  return Float32Array.from({ length }, (_, at) => {
    const start = atStart ? at : band;
    const end = atEnd ? length - 1 - at : band;
    const t = Math.min(1, start / band, end / band);
    return t * t * (3 - 2 * t);
  });
}

/** The evidence for the class as bytes: 255 is the strongest place; what speaks against it is 0. */
function bytesOf(grid: Explanation['grid']): Uint8Array {
  const values = grid.flat();
  const strongest = Math.max(...values);
  return Uint8Array.from(values, (value) => (strongest > 0 ? (Math.max(0, value) / strongest) * 255 : 0));
}
