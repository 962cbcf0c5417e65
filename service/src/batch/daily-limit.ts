import { AppError } from '../domain/errors.ts';
import { INDEX_PREFIX, jobIdOfIndexKey, timeOfIndexKey } from '../domain/job/job-layout.ts';
import type { ObjectStore } from '../storage/object-store.ts';

const DAY_MS = 24 * 3_600_000;

/** Job ids of requests (job-id.ts); jobs of drops and further parts of a job do not count. */
const REQUEST_ID = /^[kr]-[0-9a-f]{32}$/;

/**
 * Counts the jobs that requests created in the last 24 hours. Concurrent requests do not see each other, so they may
 * exceed the limit by their number.
 *
 * @throws AppError RATE_LIMITED if there are `limit` of them, with the time until the next one is possible
 */
export async function checkDailyLimit(
  objects: ObjectStore,
  limit: number,
  now: number = Date.now(),
): Promise<void> {
  let count = 0;
  for await (const { key } of objects.list(INDEX_PREFIX)) {
    const createdAt = timeOfIndexKey(key);
    // The index lists the newest first, so the rest is older.
    if (createdAt !== undefined && createdAt <= now - DAY_MS) return;
    if (createdAt === undefined || !REQUEST_ID.test(jobIdOfIndexKey(key) ?? '')) continue;
    count += 1;
    if (count < limit) continue;
    const retryAfterSeconds = Math.max(1, Math.ceil((createdAt + DAY_MS - now) / 1000));
    throw new AppError(
      'RATE_LIMITED',
      `${limit} jobs were created in the last 24 hours, which is the limit (MAX_JOBS_PER_DAY)`,
      { retryAfterSeconds },
    );
  }
}
