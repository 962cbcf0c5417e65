/** Buffers kept for the next batches: one being filled, one in the engine, one waiting behind it. */
const KEPT = 3;

export interface Buffers {
  /** At least `bytes` bytes, with old content. */
  allocate(bytes: number): ArrayBuffer;
  /** Returns a buffer to the pool. */
  release(buffer: ArrayBuffer): void;
}

/** Memory that is used again: see Engine.allocate. */
export function createBuffers(): Buffers {
  const free: ArrayBuffer[] = [];
  return {
    allocate(bytes) {
      const found = free.findIndex(({ byteLength }) => byteLength >= bytes);
      const [buffer = new ArrayBuffer(bytes)] = found < 0 ? [] : free.splice(found, 1);
      return buffer;
    },
    release(buffer) {
      free.push(buffer);
      // The largest serve every size of batch.
      free.sort((a, b) => a.byteLength - b.byteLength);
      if (free.length > KEPT) free.shift();
    },
  };
}
