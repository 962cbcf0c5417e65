/** Largest number of scans in a progressive JPEG; encoders write about 10. */
export const MAX_SCANS = 100;

/**
 * Counts the scans of a JPEG, up to MAX_SCANS + 1. A scan is a pass over all coefficients but can be a few bytes long, so
 * a file of 500 KB could block a decoder for half a minute. As in libjpeg, bytes between segments are skipped.
 */
export function countScans(jpeg: Uint8Array): number {
  let scans = 0;
  let at = 2;
  while (scans <= MAX_SCANS) {
    at = jpeg.indexOf(0xff, at);
    if (at < 0) return scans;
    while (jpeg[at] === 0xff) at++;
    const marker = jpeg[at++];
    if (marker === undefined || marker === 0xd9) return scans;
    // Escaped data, and markers without a segment: TEM, RST0 to RST7, SOI.
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (marker === 0xda) scans++;
    at += ((jpeg[at] ?? 0) << 8) | (jpeg[at + 1] ?? 0);
  }
  return scans;
}
