import { crc32, deflateSync } from 'node:zlib';

/** Files built byte by byte, as an attacker would. */

const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};
const le16 = (value: number) => Buffer.from([value & 0xff, value >> 8]);
const le32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};

const segment = (marker: number, ...parts: Uint8Array[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([0xff, marker]), u16(body.length + 2), body]);
};

/**
 * A progressive JPEG of `side` x `side` grey pixels with `scans` passes over all its coefficients, each of which takes a few bytes: runs of
 * 32,767 empty blocks.
 */
export function scanBombJpeg(side: number, scans: number): Buffer {
  const blocks = Math.ceil(side / 8) ** 2;
  const oneCode = (kind: number, symbol: number) => {
    const counts = Buffer.alloc(16);
    counts[0] = 1;
    return segment(0xc4, Buffer.from([kind]), counts, Buffer.from([symbol]));
  };
  const sos = (table: number, from: number, to: number) =>
    segment(0xda, Buffer.from([1, 1, table, from, to, 0]));
  // The code of the symbol EOB14 is the bit 0; 14 more give the length of the run.
  const runs = Math.ceil(blocks / 32_767);
  let bits = '';
  for (let run = 0; run < runs; run++) bits += `0${run < runs - 1 ? '1'.repeat(14) : lastRun(blocks)}`;
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  const data: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = Number.parseInt(bits.slice(at, at + 8), 2);
    data.push(byte);
    if (byte === 0xff) data.push(0);
  }
  const scan = Buffer.concat([sos(0, 1, 63), Buffer.from(data)]);
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, Buffer.from([0]), Buffer.alloc(64, 1)),
    segment(0xc2, Buffer.from([8]), u16(side), u16(side), Buffer.from([1, 1, 0x11, 0])),
    oneCode(0x00, 0),
    oneCode(0x10, 0xe0),
    sos(0, 0, 0),
    Buffer.alloc(Math.ceil(blocks / 8)),
    ...Array.from({ length: scans }, () => scan),
    Buffer.from([0xff, 0xd9]),
  ]);
}

const lastRun = (blocks: number) =>
  Math.max(0, (blocks % 32_767 || 32_767) - 16_384)
    .toString(2)
    .padStart(14, '0')
    .slice(-14);

/** An animated GIF of `frames` frames of one pixel each, on a screen of `screen` x `screen`. */
export function framesGif(frames: number, screen: number, frameSide = 1): Buffer {
  const frame = Buffer.concat([
    Buffer.from([0x21, 0xf9, 4, 0, 1, 0, 0, 0]),
    Buffer.from([0x2c, 0, 0, 0, 0]),
    le16(frameSide),
    le16(frameSide),
    Buffer.from([0, 2, 2, 0x44, 1, 0]),
  ]);
  return Buffer.concat([
    Buffer.from('GIF89a'),
    le16(screen),
    le16(screen),
    Buffer.from([0x80, 0, 0, 0, 0, 0, 255, 255, 255]),
    ...Array.from({ length: frames }, () => frame),
    Buffer.from([0x3b]),
  ]);
}

/** An animated WebP of `frames` times the frame of `still`, a lossy or lossless WebP without extensions, on a canvas of `side` x `side`. */
export function framesWebp(still: Buffer, frames: number, side: number): Buffer {
  const le24 = (value: number) => le32(value).subarray(0, 3);
  const chunk = (type: string, ...parts: Uint8Array[]) => {
    const body = Buffer.concat(parts);
    return Buffer.concat([Buffer.from(type), le32(body.length), body, Buffer.alloc(body.length % 2)]);
  };
  const image = still.subarray(12);
  const frame = chunk(
    'ANMF',
    le24(0),
    le24(0),
    le24(side - 1),
    le24(side - 1),
    le24(10),
    Buffer.alloc(1),
    image,
  );
  const body = Buffer.concat([
    Buffer.from('WEBP'),
    chunk('VP8X', Buffer.from([2, 0, 0, 0]), le24(side - 1), le24(side - 1)),
    chunk('ANIM', Buffer.alloc(6)),
    ...Array.from({ length: frames }, () => frame),
  ]);
  return Buffer.concat([Buffer.from('RIFF'), le32(body.length), body]);
}

export interface TiffShape {
  readonly width: number;
  readonly height: number;
  /** Samples per pixel, of one byte. */
  readonly channels: number;
  /** Whether its directory is its own successor. */
  readonly loops?: boolean;
}

/** A TIFF in one deflated strip of zeros. */
export function flatTiff({ width, height, channels, loops = false }: TiffShape): Buffer {
  const strip = deflateSync(Buffer.alloc(width * height * channels), { level: 1 });
  const bits = channels > 2 ? 8 + strip.length + (strip.length % 2) : 8;
  const bitsLength = channels > 2 ? channels * 2 : 0;
  const directory = 8 + strip.length + (strip.length % 2) + bitsLength;
  const entries: [tag: number, type: 3 | 4, count: number, value: number][] = [
    [256, 4, 1, width],
    [257, 4, 1, height],
    [258, 3, channels, channels > 2 ? bits : 8],
    [259, 3, 1, 8],
    [262, 3, 1, 1],
    [273, 4, 1, 8],
    [277, 3, 1, channels],
    [278, 4, 1, height],
    [279, 4, 1, strip.length],
    [284, 3, 1, 1],
  ];
  return Buffer.concat([
    Buffer.from('II'),
    le16(42),
    le32(directory),
    strip,
    Buffer.alloc(strip.length % 2),
    ...(channels > 2 ? Array.from({ length: channels }, () => le16(8)) : []),
    le16(entries.length),
    ...entries.flatMap(([tag, type, count, value]) => [le16(tag), le16(type), le32(count), le32(value)]),
    le32(loops ? directory : 0),
  ]);
}

/** A TIFF of 10 x 10 pixels, after whose directory comes a chain of `more` others, of one entry each. */
export function directoriesTiff(more: number): Buffer {
  const picture = flatTiff({ width: 10, height: 10, channels: 1 });
  const start = picture.length + (picture.length % 2);
  const size = 2 + 12 + 4;
  const chain = Buffer.alloc(start - picture.length + more * size);
  for (let index = 0; index < more; index++) {
    const at = start - picture.length + index * size;
    chain.writeUInt16LE(1, at);
    chain.writeUInt16LE(256, at + 2);
    chain.writeUInt16LE(4, at + 4);
    chain.writeUInt32LE(1, at + 6);
    chain.writeUInt32LE(1, at + 10);
    chain.writeUInt32LE(index + 1 < more ? start + (index + 1) * size : 0, at + 14);
  }
  picture.writeUInt32LE(start, picture.length - 4);
  return Buffer.concat([picture, chain]);
}

/** A PNG of one pixel with `extra` chunks before its data. */
export function pngWith(extra: readonly (readonly [type: string, data: Buffer])[]): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    return Buffer.concat([u32(data.length), body, u32(crc32(body))]);
  };
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', Buffer.concat([u32(1), u32(1), Buffer.from([8, 2, 0, 0, 0])])),
    ...extra.map(([type, data]) => chunk(type, data)),
    chunk('IDAT', deflateSync(Buffer.from([0, 1, 2, 3]))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** An ancillary chunk whose text or profile inflates to `bytes` zeros. */
export const inflatingChunk = (type: 'zTXt' | 'iCCP', bytes: number): [string, Buffer] => [
  type,
  Buffer.concat([Buffer.from('name\0\0'), deflateSync(Buffer.alloc(bytes))]),
];

/** The same AVIF with other dimensions in its header (ispe) than its AV1 data has. */
export function avifClaiming(avif: Buffer, width: number, height: number): Buffer {
  const copy = Buffer.from(avif);
  const at = copy.indexOf('ispe');
  copy.writeUInt32BE(width, at + 8);
  copy.writeUInt32BE(height, at + 12);
  return copy;
}
