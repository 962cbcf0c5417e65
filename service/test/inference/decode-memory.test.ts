import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import sharp, { type Sharp } from 'sharp';
import { defaultModelsDir } from '../../../models/folders.ts';
import { type ImageInput, type ImageManifest, readManifest } from '../../../models/manifest.ts';
import { createByteBudget } from '../../src/domain/byte-budget.ts';
import { decode } from '../../src/inference/image/decode.ts';
import { decodeBytes } from '../../src/inference/image/decode-memory.ts';
import { truncatedPicture } from '../helpers/pictures.ts';

const SIDE = 100;
const flat = () => sharp({ create: { width: SIDE, height: SIDE, channels: 3, background: '#345' } });
const deep = () => flat().ensureAlpha().toColourspace('rgb16');

describe('memory of decoders', () => {
  let input: ImageInput;
  before(async () => {
    ({ input } = (await readManifest(join(defaultModelsDir(), 'resnet50'))) as ImageManifest);
  });

  /** Peaks of resident memory in bytes a pixel, measured on 20 megapixels. */
  const measured: readonly (readonly [string, () => Sharp, number])[] = [
    ['a baseline JPEG', () => flat().jpeg(), 0.13],
    ['a turned JPEG', () => flat().jpeg().withMetadata({ orientation: 6 }), 3.67],
    ['a progressive JPEG', () => flat().jpeg({ progressive: true, chromaSubsampling: '4:4:4' }), 6.14],
    ['a PNG of 16 bits', () => deep().png(), 2.84],
    ['an interlaced PNG', () => flat().png({ progressive: true }), 3.87],
    ['an interlaced PNG of 16 bits', () => deep().png({ progressive: true }), 9.78],
    [
      'a turned, interlaced PNG',
      () => flat().png({ progressive: true }).withMetadata({ orientation: 6 }),
      6.06,
    ],
    ['a WebP', () => flat().webp({ lossless: true }), 0.58],
    ['an AVIF', () => flat().avif({ effort: 0 }), 19.09],
    ['an AVIF of 12 bits', () => flat().avif({ effort: 0, bitdepth: 12 }), 25.53],
    ['a TIFF in tiles', () => flat().tiff({ tile: true, tileWidth: 64, tileHeight: 64 }), 6.89],
    ['a TIFF of 16 bits', () => deep().tiff({ compression: 'deflate' }), 2.86],
    ['a GIF', () => flat().gif(), 5.47],
  ];
  for (const [what, make, bytesPerPixel] of measured) {
    test(`${what} is counted with no less than it takes`, async () => {
      const header = await sharp(await make().toBuffer()).metadata();
      assert.ok(decodeBytes(header) >= SIDE * SIDE * bytesPerPixel);
    });
  }

  test('a picture waits until decoders have enough memory, and gives it back in any case', async () => {
    const limit = 1000;
    const memory = createByteBudget(limit);
    const limits = { maxPixels: 50_000_000, memory };
    const png = await deep().png({ progressive: true }).toBuffer();
    const release = await memory.acquire(limit);
    let done = 0;
    const decoded = [png, await flat().avif({ effort: 0 }).toBuffer()].map(async (bytes) => {
      const { pixels } = await decode(bytes, input, limits);
      done++;
      return pixels.length;
    });
    const broken = decode(await truncatedPicture(), input, limits);
    broken.catch(() => undefined);
    // Long enough for a decoder that does not wait: the same picture without a budget.
    await decode(png, input, { maxPixels: 50_000_000 });
    for (let round = 0; round < 10; round++) await turn();
    assert.equal(done, 0);
    release();
    assert.deepEqual(await Promise.all(decoded), [224 * 224 * 3, 224 * 224 * 3]);
    await assert.rejects(broken, { code: 'UNREADABLE_IMAGE' });
    (await memory.acquire(limit))();
  });
});
