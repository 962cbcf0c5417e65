/** Largest number of free buffers: one is being filled, one is in the engine, one waits behind it. */
const MAX_FREE = 3;

export interface BufferPool {
  /** Returns a buffer of at least `bytes` bytes, with old content; the caller owns it until `release`. */
  allocate(bytes: number): ArrayBuffer;
  /** Returns a buffer to the pool. */
  release(buffer: ArrayBuffer): void;
}

/** Reuses the memory of batches: fresh megabytes for each batch cost more than filling them. */
export function createBufferPool(): BufferPool {
  const free: ArrayBuffer[] = [];
  return {
    allocate(bytes) {
      const found = free.findIndex(({ byteLength }) => byteLength >= bytes);
      const [buffer = new ArrayBuffer(bytes)] = found < 0 ? [] : free.splice(found, 1);
      return buffer;
    },
    release(buffer) {
      free.push(buffer);
      // Drop the smallest: the largest serve every size of batch.
      free.sort((a, b) => a.byteLength - b.byteLength);
      if (free.length > MAX_FREE) free.shift();
    },
  };
}
