/** Buffers kept for the next batches: one being filled, one in the engine, one waiting behind it. */
const KEPT = 3;

export interface Buffers {
  /** `length` float32 numbers, whatever they are. */
  allocate(length: number): Float32Array<ArrayBuffer>;
  /** Takes back what nobody reads or writes any more. */
  release(used: Float32Array<ArrayBuffer>): void;
}

/** Memory that is used again: see Engine.allocate. */
export function createBuffers(): Buffers {
  const free: ArrayBuffer[] = [];
  return {
    allocate(length) {
      const bytes = length * Float32Array.BYTES_PER_ELEMENT;
      const found = free.findIndex(({ byteLength }) => byteLength >= bytes);
      const [buffer = new ArrayBuffer(bytes)] = found < 0 ? [] : free.splice(found, 1);
      return new Float32Array(buffer, 0, length);
    },
    release({ buffer }) {
      free.push(buffer);
      // The largest serve every size of batch.
      free.sort((a, b) => a.byteLength - b.byteLength);
      if (free.length > KEPT) free.shift();
    },
  };
}
