import { setTimeout as sleep } from 'node:timers/promises';

const MAX_PAUSE_MS = 5;

/** What a probe returns once it has succeeded. */
type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

/**
 * Repeats `probe` until it returns something true, and returns that. An error of the probe counts as "not yet".
 * The pause between two probes is at least the duration of a probe, so that waiting leaves CPU to the work.
 *
 * @param what completes "... did not happen"
 * @throws Error when `limitMs` have passed, with the last error of the probe as its cause
 */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  limitMs = 120_000,
): Promise<Truthy<T>> {
  const started = performance.now();
  for (;;) {
    const began = performance.now();
    let cause: unknown;
    try {
      const found = await probe();
      if (found) return found as Truthy<T>;
    } catch (error) {
      cause = error;
    }
    const now = performance.now();
    const waited = now - started;
    if (waited > limitMs) {
      const reason = cause instanceof Error ? `: ${cause.message}` : '';
      throw new Error(`${what} did not happen within ${limitMs / 1000} s${reason}`, { cause });
    }
    await sleep(Math.max(now - began, Math.min(MAX_PAUSE_MS, 1 + waited / 100)));
  }
}
