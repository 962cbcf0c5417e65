import { setTimeout as delay } from 'node:timers/promises';

/** Tries of one request, the first included. */
export const MAX_TRIES = 6;
/** Longest pause before the next try, in seconds; a longer Retry-After means giving up. */
const MAX_PAUSE_SECONDS = 30;

/** Statuses that ask to come again. */
export const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Retry-After in seconds, whether it is a number or a date; undefined when absent or not readable. */
export function parseRetryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}

/**
 * How long to wait before try number `next` (2 is the first repetition), in seconds; undefined: give up.
 * Doubles from a quarter of a second, never below what the service asks for, spread so that clients do not return together.
 */
export function pauseBefore(next: number, retryAfterSeconds = 0, random = Math.random()): number | undefined {
  if (next > MAX_TRIES || retryAfterSeconds > MAX_PAUSE_SECONDS) return undefined;
  const own = 0.25 * 2 ** (next - 2);
  return Math.max(retryAfterSeconds, own) * (1 + random / 4);
}

/** Waits; ends at once with the signal's reason when it is aborted. */
export async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await delay(seconds * 1000, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
}
