/** A semaphore over bytes in memory: requests that do not fit wait in the order of arrival. */
export interface ByteBudget {
  /** Waits until `bytes` fit, then returns their release; a request above the limit gets the whole budget. */
  acquire(bytes: number): Promise<() => void>;
}

/** @param limit bytes */
export function createByteBudget(limit: number): ByteBudget {
  let free = limit;
  const waiting: { bytes: number; go: () => void }[] = [];
  const admit = () => {
    for (let first = waiting[0]; first && first.bytes <= free; first = waiting[0]) {
      waiting.shift();
      free -= first.bytes;
      first.go();
    }
  };
  return {
    async acquire(wanted) {
      const bytes = Math.min(wanted, limit);
      await new Promise<void>((go) => {
        waiting.push({ bytes, go });
        admit();
      });
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        free += bytes;
        admit();
      };
    },
  };
}
