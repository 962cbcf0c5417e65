import { createHash, randomBytes } from 'node:crypto';

/**
 * The id of a job that must be the same whenever the same thing is asked again: 32 hexadecimal digits of the
 * SHA-256 of its parts, behind a letter that says where it came from.
 *
 * @param kind `k`: an idempotency key, `e`: the objects of an event, `d`: the objects of a drop
 */
export function derivedJobId(kind: 'k' | 'e' | 'd', parts: Iterable<string>): string {
  const hash = createHash('sha256');
  // Lengths before the parts: ["ab", "c"] and ["a", "bc"] are different things.
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return `${kind}-${hash.digest('hex').slice(0, 32)}`;
}

/** The id of a job that is a new one each time it is asked for: 128 random bits. */
export function freshJobId(): string {
  return `r-${randomBytes(16).toString('hex')}`;
}

/** The id of the next part of a job with more inputs than one array job holds. */
export function nextPartId(jobId: string): string {
  const match = /^(.*)-p(\d+)$/.exec(jobId);
  return match ? `${match[1]}-p${Number(match[2]) + 1}` : `${jobId}-p2`;
}
