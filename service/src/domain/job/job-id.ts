import { createHash, randomBytes } from 'node:crypto';

/**
 * The id of a job that is the same for the same parts: a letter for its origin, and 32 hexadecimal digits of the
 * SHA-256 of the parts.
 *
 * @param kind `k`: an idempotency key, `e`: the objects of an event, `d`: the objects of a local drop
 */
export function derivedJobId(kind: 'k' | 'e' | 'd', parts: Iterable<string>): string {
  const hash = createHash('sha256');
  // Lengths before the parts tell ["ab", "c"] from ["a", "bc"].
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return `${kind}-${hash.digest('hex').slice(0, 32)}`;
}

/** A new id each time: 128 random bits. */
export function freshJobId(): string {
  return `r-${randomBytes(16).toString('hex')}`;
}

/** The id of the next part of a job with more inputs than one array job holds. */
export function nextPartId(jobId: string): string {
  const match = /^(.*)-p(\d+)$/.exec(jobId);
  return match ? `${match[1]}-p${Number(match[2]) + 1}` : `${jobId}-p2`;
}
