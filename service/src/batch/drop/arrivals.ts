import { MAX_OBJECTS } from '../../domain/job/job.ts';

/** Files that arrive within QUIET_MS of each other make one job; a file waits LONGEST_MS at most. */
const QUIET_MS = 300;
const LONGEST_MS = 2_000;

/** Collects the keys of files that arrive together. */
export interface Arrivals {
  add(key: string): void;
  /** Drops what is collected. */
  close(): void;
}

export function createArrivals(onKeys: (keys: readonly string[]) => void): Arrivals {
  const keys = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let firstAt = 0;
  return {
    add(key) {
      if (keys.size === 0) firstAt = Date.now();
      keys.add(key);
      clearTimeout(timer);
      const left = Math.max(0, firstAt + LONGEST_MS - Date.now());
      timer = setTimeout(
        () => {
          const collected = [...keys];
          keys.clear();
          onKeys(collected);
        },
        keys.size >= MAX_OBJECTS ? 0 : Math.min(QUIET_MS, left),
      );
    },
    close: () => clearTimeout(timer),
  };
}
