const BINS = 4096;
/** Number of candidates for the range, from 0.2 to 1.0 of the largest value. */
const STEPS = 81;
const SMALLEST = 0.2;

/** Counts absolute values in 4,096 bins of equal width; the width doubles if a value is beyond the last bin. */
export interface Histogram {
  add(values: Float32Array): void;
  /**
   * The range r with the smallest squared rounding error for `levels` steps between 0 and r; larger values are clipped
   * to r.
   */
  bestRange(levels: number): number;
}

export function createHistogram(): Histogram {
  let counts = new Float64Array(BINS);
  let limit = 0;
  let largest = 0;

  function widen(needed: number): void {
    if (limit === 0) limit = needed;
    while (limit < needed) {
      const merged = new Float64Array(BINS);
      for (let bin = 0; bin < BINS; bin++) merged[bin >> 1] = (merged[bin >> 1] ?? 0) + (counts[bin] ?? 0);
      counts = merged;
      limit *= 2;
    }
  }

  return {
    add(values) {
      let top = 0;
      for (let i = 0; i < values.length; i++) top = Math.max(top, Math.abs(values[i] as number));
      if (top === 0) return;
      largest = Math.max(largest, top);
      widen(top);
      const scale = BINS / limit;
      for (let i = 0; i < values.length; i++) {
        const bin = Math.min(BINS - 1, (Math.abs(values[i] as number) * scale) | 0);
        counts[bin] = (counts[bin] as number) + 1;
      }
    },
    bestRange(levels) {
      let best = { range: largest, error: Number.POSITIVE_INFINITY };
      for (let step = 0; step < STEPS; step++) {
        const range = largest * (SMALLEST + (step * (1 - SMALLEST)) / (STEPS - 1));
        const error = roundingError(range / levels, levels);
        if (error < best.error) best = { range, error };
      }
      return best.range;
    },
  };

  function roundingError(step: number, levels: number): number {
    const width = limit / BINS;
    let sum = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = counts[bin] as number;
      if (count === 0) continue;
      const value = (bin + 0.5) * width;
      const difference = value - Math.min(levels, Math.round(value / step)) * step;
      sum += count * difference * difference;
    }
    return sum;
  }
}
