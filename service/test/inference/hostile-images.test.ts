import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { defaultModelsDir } from '../../../models/folders.ts';
import { type ImageInput, type ImageManifest, readManifest } from '../../../models/manifest.ts';
import { decode } from '../../src/inference/image/decode.ts';
import { countScans } from '../../src/inference/image/jpeg-scans.ts';
import { countChunks } from '../../src/inference/image/webp-chunks.ts';
import {
  avifClaiming,
  directoriesTiff,
  flatTiff,
  framesGif,
  framesWebp,
  inflatingChunk,
  pngWith,
  scanBombJpeg,
} from '../helpers/hostile-images.ts';
import { picture } from '../helpers/pictures.ts';

/** Resident memory that refusing or decoding a small hostile file may take, in bytes. */
const MAX_GROWTH = 200e6;
const limits = { maxPixels: 50_000_000 };
const avif = (side: number) =>
  sharp({ create: { width: side, height: side, channels: 3, background: '#345' } })
    .avif({ effort: 0 })
    .toBuffer();
const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';

describe('hostile images', () => {
  let input: ImageInput;
  let jpeg: Buffer;
  before(async () => {
    ({ input } = (await readManifest(join(defaultModelsDir(), 'resnet50'))) as ImageManifest);
    jpeg = await picture();
  });

  type Make = () => Buffer | Promise<Buffer>;

  const refused: readonly (readonly [what: string, make: Make, code: string, message: RegExp])[] = [
    ['a JPEG of 250,000 scans', () => scanBombJpeg(7000, 250_000), 'UNREADABLE_IMAGE', /more than 100 scans/],
    [
      'a WebP of 250,000 frames',
      async () => framesWebp(await picture(1, 1, 'webp'), 250_000, 1),
      'UNREADABLE_IMAGE',
      /more than 5000 frames/,
    ],
    [
      'a GIF whose frame is larger than its screen',
      () => framesGif(10, 10, 20_000),
      'IMAGE_TOO_LARGE',
      /pixels/,
    ],
    ['a TIFF of a million directories', () => directoriesTiff(1_000_000), 'UNREADABLE_IMAGE', /damaged/],
    [
      'a TIFF of 64 channels',
      () => flatTiff({ width: 3000, height: 3000, channels: 64 }),
      'UNREADABLE_IMAGE',
      /damaged/,
    ],
    [
      'a TIFF of 65,535 channels',
      () => flatTiff({ width: 64, height: 64, channels: 65_535 }),
      'UNREADABLE_IMAGE',
      /damaged/,
    ],
    [
      'an AVIF larger than it claims',
      async () => avifClaiming(await avif(3000), 100, 100),
      'UNREADABLE_IMAGE',
      /damaged/,
    ],
    [
      'an AVIF that claims 49 megapixels',
      async () => avifClaiming(await avif(100), 7000, 7000),
      'UNREADABLE_IMAGE',
      /damaged/,
    ],
    [
      'an AVIF that claims 3.6 gigapixels',
      async () => avifClaiming(await avif(100), 60_000, 60_000),
      'IMAGE_TOO_LARGE',
      /pixels/,
    ],
  ];
  for (const [what, make, code, message] of refused) {
    test(`${what} is refused without being decoded`, async () => {
      const bytes = await make();
      await decode(jpeg, input, limits);
      const before = process.memoryUsage.rss();
      await assert.rejects(decode(bytes, input, limits), { code, message });
      assert.ok(process.memoryUsage.rss() - before < MAX_GROWTH);
    });
  }

  const decoded: readonly (readonly [what: string, make: Make])[] = [
    ['a progressive JPEG of 90 scans', () => scanBombJpeg(1000, 90)],
    ['a GIF of 100,000 frames, by its first', () => framesGif(100_000, 64)],
    ['a WebP of 1,000 frames, by its first', async () => framesWebp(await picture(9, 9, 'webp'), 1_000, 9)],
    [
      'a TIFF whose directory follows itself',
      () => flatTiff({ width: 99, height: 99, channels: 1, loops: true }),
    ],
    ['a PNG whose text inflates to 500 MB', () => pngWith([inflatingChunk('zTXt', 500e6)])],
    ['a PNG whose colour profile inflates to 500 MB', () => pngWith([inflatingChunk('iCCP', 500e6)])],
    [
      'a PNG of 100,000 texts',
      () => pngWith(Array.from({ length: 100_000 }, (_, index) => ['tEXt', Buffer.from(`k${index}\0v`)])),
    ],
  ];
  for (const [what, make] of decoded) {
    test(`${what} is decoded in bounded memory`, async () => {
      const bytes = await make();
      await decode(jpeg, input, limits);
      const before = process.memoryUsage.rss();
      assert.equal((await decode(bytes, input, limits)).pixels.length, 224 * 224 * 3);
      assert.ok(process.memoryUsage.rss() - before < MAX_GROWTH);
    });
  }

  test('scans and frames are counted as their decoders find them', async () => {
    assert.equal(countScans(jpeg), 1);
    assert.equal(countScans(scanBombJpeg(64, 7)), 8);
    assert.equal(countScans(scanBombJpeg(64, 1000)), 101);
    // A scan's marker inside another segment is none, and stuffing before a marker does not hide it.
    const comment = Buffer.from([0xff, 0xfe, 0, 6, 0xff, 0xda, 0xff, 0xda]);
    const bomb = scanBombJpeg(64, 7);
    assert.equal(countScans(Buffer.concat([bomb.subarray(0, 2), comment, bomb.subarray(2)])), 8);
    const stuffed = Buffer.from([0xff, 0xff, 0xff]);
    assert.equal(countScans(Buffer.concat([bomb.subarray(0, 2), stuffed, bomb.subarray(2)])), 8);
    assert.equal(countChunks(jpeg), 0);
    assert.equal(countChunks(await picture(9, 9, 'webp')), 1);
    assert.equal(countChunks(framesWebp(await picture(9, 9, 'webp'), 10, 9)), 12);
  });

  const foreign: readonly (readonly [what: string, make: Make])[] = [
    ['an SVG', () => Buffer.from(svg)],
    [
      'an SVG with an external entity',
      () =>
        Buffer.from(`<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>${svg}`),
    ],
    ['a gzipped SVG', () => gzipSync(svg)],
    ['a PDF', () => Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\n')],
    ['a PostScript file', () => Buffer.from('%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n')],
    [
      'an ImageMagick script',
      () => Buffer.from('push graphic-context\nimage over 0,0 0,0 "https://127.0.0.1/"'),
    ],
    ['an HTML page', () => Buffer.from('<html><img src=x></html>')],
    ['a ZIP', () => Buffer.from('504b0304', 'hex')],
    ['a BMP', () => Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)])],
    ['a PPM', () => Buffer.from('P6 1 1 255\nabc')],
    ['a Radiance HDR', () => Buffer.from('#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\nabcd')],
    ['a JPEG 2000', () => Buffer.from('0000000c6a5020200d0a870a', 'hex')],
    ['a raw libvips image', () => Buffer.from(`08f2a6b6${'00'.repeat(60)}`, 'hex')],
    ['a PDF with a JPEG behind it', () => Buffer.concat([Buffer.from('%PDF-1.4\n'), jpeg])],
    ['an SVG with a JPEG behind it', () => Buffer.concat([Buffer.from(svg), jpeg])],
    ['a script that begins like a GIF', () => Buffer.from('GIF89a/*......................*/=1;alert(1)')],
  ];
  for (const [what, make] of foreign) {
    test(`${what} is refused by its content`, async () => {
      await assert.rejects(decode(await make(), input, limits), { code: 'UNREADABLE_IMAGE' });
    });
  }

  test('a JPEG with a PDF behind it is the JPEG and nothing else', async () => {
    const both = Buffer.concat([jpeg, Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\n')]);
    const [alone, polyglot] = await Promise.all([jpeg, both].map((bytes) => decode(bytes, input, limits)));
    assert.deepEqual(polyglot, alone);
  });
});
