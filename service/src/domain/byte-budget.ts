/** Bounds the bytes that are in memory at once; those who want more wait in the order they came. */
export interface ByteBudget {
  /** Waits until `bytes` fit; one that is larger than the whole budget gets all of it. */
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
