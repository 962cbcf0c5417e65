import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { defaultModelsDir } from '../../../models/folders.ts';
import { type ImageInput, type ImageManifest, readManifest } from '../../../models/manifest.ts';
import { decode } from '../../src/inference/image/decode.ts';
import { resizeGeometry } from '../../src/inference/image/resize.ts';
import { noise, picture, truncatedPicture } from '../helpers/pictures.ts';

const limits = { maxPixels: 50_000_000 };
let input: ImageInput;
before(async () => {
  const manifest = await readManifest(join(defaultModelsDir(), 'resnet50'));
  ({ input } = manifest as ImageManifest);
});

/** A PNG of `side` x `side` black pixels: 1 bit each in the file, 4 bytes each in memory. */
function bombPng(side: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, checksum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1; // one bit a pixel, greyscale
  const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))), { level: 1 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('decode', () => {
  it('scales the shorter side to 256 and takes the centre 224', () => {
    assert.deepEqual(resizeGeometry({ width: 512, height: 1024 }, input), {
      width: 256,
      height: 512,
      crop: { left: 16, top: 144, width: 224, height: 224 },
    });
  });

  it('cuts the ends off an extremely long picture before scaling it', () => {
    const plan = resizeGeometry({ width: 20_000, height: 1 }, input);
    assert.deepEqual(plan.trim, { left: 9998, top: 0, width: 4, height: 1 });
    assert.deepEqual([plan.width, plan.height], [1024, 256]);
  });

  it('yields height x width x channels bytes for a picture of a single pixel', async () => {
    const { pixels } = await decode(await picture(1, 1, 'png'), input, limits);
    assert.equal(pixels.length, 224 * 224 * 3);
    assert.deepEqual([...pixels.subarray(0, 3)], [0x33, 0xaa, 0x77]);
  });

  it('puts transparent pictures on white', async () => {
    const clear = {
      width: 300,
      height: 300,
      channels: 4 as const,
      background: { r: 9, g: 9, b: 9, alpha: 0 },
    };
    const { pixels } = await decode(await sharp({ create: clear }).png().toBuffer(), input, limits);
    assert.deepEqual([...pixels.subarray(0, 3)], [255, 255, 255]);
  });

  it('turns a picture upright by its EXIF orientation, all eight of them', async () => {
    // Left half red, right half blue, and a green band at the top: no two orientations look alike.
    const green = await sharp({ create: { width: 320, height: 120, channels: 3, background: '#0f0' } })
      .png()
      .toBuffer();
    const blue = await sharp({ create: { width: 160, height: 320, channels: 3, background: '#00f' } })
      .png()
      .toBuffer();
    const upright = await sharp({ create: { width: 320, height: 320, channels: 3, background: '#f00' } })
      .composite([
        { input: blue, left: 160, top: 0 },
        { input: green, left: 0, top: 0 },
      ])
      .png()
      .toBuffer();
    const { pixels: expected } = await decode(upright, input, limits);
    // What must be done to the upright picture so that showing it with this orientation undoes it.
    const stored: Record<number, (image: Sharp) => Sharp> = {
      1: (image) => image,
      2: (image) => image.flop(),
      3: (image) => image.rotate(180),
      4: (image) => image.flip(),
      5: (image) => image.rotate(270).flip(),
      6: (image) => image.rotate(270),
      7: (image) => image.rotate(90).flip(),
      8: (image) => image.rotate(90),
    };
    for (const [orientation, turn] of Object.entries(stored)) {
      // Two steps, as sharp applies flips before rotations whatever the order of the calls.
      const turned =
        Number(orientation) === 5 || Number(orientation) === 7
          ? await sharp(
              await sharp(upright)
                .rotate(Number(orientation) === 5 ? 270 : 90)
                .png()
                .toBuffer(),
            )
              .flip()
              .png()
              .toBuffer()
          : await turn(sharp(upright)).png().toBuffer();
      const tagged = await sharp(turned)
        .withMetadata({ orientation: Number(orientation) })
        .png()
        .toBuffer();
      const { pixels: actual } = await decode(tagged, input, limits);
      const difference = actual.reduce(
        (largest, value, i) => Math.max(largest, Math.abs(value - (expected[i] ?? 0))),
        0,
      );
      assert.ok(difference <= 2, `orientation ${orientation} differs by ${difference}`);
    }
  });

  const unreadable: readonly (readonly [string, () => Promise<Uint8Array> | Uint8Array, RegExp])[] = [
    ['an empty file', () => new Uint8Array(0), /empty/],
    ['text', () => Buffer.from('I am not a picture, whatever my name says.'), /not a JPEG, PNG/],
    ['a truncated picture', truncatedPicture, /damaged or cut short/],
    [
      'a truncated JPEG',
      async () =>
        (
          await sharp(await noise(200, 200))
            .jpeg()
            .toBuffer()
        ).subarray(0, 9000),
      /damaged or cut short/,
    ],
    [
      'an SVG, whose loader could read other files',
      () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      /not a JPEG, PNG/,
    ],
    ['a PDF', () => Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\n'), /not a JPEG, PNG/],
    ['only the first bytes of a JPEG', () => Buffer.from([0xff, 0xd8, 0xff, 0xe0]), /damaged or cut short/],
  ];
  for (const [what, bytes, message] of unreadable) {
    it(`calls ${what} unreadable`, async () => {
      await assert.rejects(decode(await bytes(), input, limits), { code: 'UNREADABLE_IMAGE', message });
    });
  }

  it('refuses more pixels than allowed, by the header alone', async () => {
    const bomb = bombPng(20_000);
    const before = process.memoryUsage.rss();
    await assert.rejects(decode(bomb, input, limits), {
      code: 'IMAGE_TOO_LARGE',
      message: /more than 50000000 pixels/,
    });
    assert.ok(process.memoryUsage.rss() - before < 400e6, 'the picture was decoded before it was refused');
  });
});
