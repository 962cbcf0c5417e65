import { AppError } from '../domain/errors.ts';
import { INDEX_PREFIX, jobIdOfIndexKey, timeOfIndexKey } from '../domain/job/job-layout.ts';
import type { ObjectStore } from '../storage/object-store.ts';

const DAY_MS = 24 * 3_600_000;

/** Ids of requests (job-id.ts); jobs of drops and the further parts of a job do not count. */
const OF_A_REQUEST = /^[kr]-[0-9a-f]{32}$/;

/**
 * Counts the jobs that requests made in the last 24 hours. Requests at the same moment do not see each other, so the
 * limit may be exceeded by their number.
 *
 * @throws AppError RATE_LIMITED when there are `limit` of them; it says when the next one is possible
 */
export async function checkDailyLimit(
  objects: ObjectStore,
  limit: number,
  now: number = Date.now(),
): Promise<void> {
  let count = 0;
  for await (const { key } of objects.list(INDEX_PREFIX)) {
    const createdAt = timeOfIndexKey(key);
    // Newest first: the rest is older.
    if (createdAt !== undefined && createdAt <= now - DAY_MS) return;
    if (createdAt === undefined || !OF_A_REQUEST.test(jobIdOfIndexKey(key) ?? '')) continue;
    count += 1;
    if (count < limit) continue;
    const retryAfterSeconds = Math.max(1, Math.ceil((createdAt + DAY_MS - now) / 1000));
    throw new AppError(
      'RATE_LIMITED',
      `${limit} jobs were made in the last 24 hours, which is the limit here`,
      {
        retryAfterSeconds,
      },
    );
  }
}
