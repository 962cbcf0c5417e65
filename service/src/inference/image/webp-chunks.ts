/** Chunks that a WebP may have: one for each frame, and a few others. */
export const MAX_CHUNKS = 5_000;

/**
 * How many chunks a WebP has, 0 for anything else; counting ends beyond MAX_CHUNKS. libwebp looks for each frame from the first one on,
 * also when only the first is wanted, so that 3 MB of 40,000 small frames take seconds and 20 MB minutes.
 */
export function countChunks({ buffer, byteOffset, byteLength }: Uint8Array): number {
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WEBP') return 0;
  let chunks = 0;
  for (let at = 12; at + 8 <= bytes.length && chunks <= MAX_CHUNKS; chunks++) {
    const size = bytes.readUInt32LE(at + 4);
    at += 8 + size + (size % 2);
  }
  return chunks;
}
