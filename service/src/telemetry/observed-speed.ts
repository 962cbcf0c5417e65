import type { Speed } from '../domain/estimate/speed.ts';
import type { Metrics, Observation } from './metrics.ts';

/** Observations that the median is taken of, newest first, and how many it takes to say anything. */
const KEPT = 64;
const ENOUGH = 5;
/** Longest wait of a picture that found the engine idle, in milliseconds. One that waited was inferred with others. */
const IDLE_QUEUE_MS = 1;

/** What the service knows of its own speed by having classified. */
export interface ObservedSpeed {
  /** Undefined while it has classified too few pictures by themselves. */
  read(): (Pick<Speed, 'decodeSeconds' | 'inferenceSeconds'> & { readonly pictures: number }) | undefined;
}

/** Watches one model's classifications from now on. */
export function observeSpeed(metrics: Metrics, model: string): ObservedSpeed {
  const kept: Observation['timing'][] = [];
  metrics.onObserve(({ model: name, timing }) => {
    if (name !== model || timing.queueMs > IDLE_QUEUE_MS) return;
    kept.push(timing);
    if (kept.length > KEPT) kept.shift();
  });
  return {
    read() {
      if (kept.length < ENOUGH) return undefined;
      return {
        decodeSeconds: median(kept.map(({ decodeMs }) => decodeMs)) / 1000,
        inferenceSeconds: median(kept.map(({ inferenceMs }) => inferenceMs)) / 1000,
        pictures: kept.length,
      };
    },
  };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
