/** Largest number of chunks in a WebP: one per frame, and a few others. */
export const MAX_CHUNKS = 5_000;

/**
 * Counts the chunks of a WebP, up to MAX_CHUNKS + 1; 0 for other formats. libwebp searches each frame from the start of
 * the file, even if only the first is decoded: 3 MB with 40,000 small frames take seconds, 20 MB take minutes.
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
