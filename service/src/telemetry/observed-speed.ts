import type { Speed } from '../domain/estimate/speed.ts';
import type { Metrics, Observation } from './metrics.ts';

/** The median is of the latest MAX_KEPT observations, and needs MIN_KEPT of them. */
const MAX_KEPT = 64;
const MIN_KEPT = 5;
/** An image that waited longer, in milliseconds, was not alone in its batch. */
const IDLE_QUEUE_MS = 1;

/** The speed that the service has measured on its own requests. */
export interface ObservedSpeed {
  /** Undefined until it has classified enough images alone. */
  read(): (Pick<Speed, 'decodeSeconds' | 'inferenceSeconds'> & { readonly pictures: number }) | undefined;
}

/** Observes the classifications of one model from now on. */
export function observeSpeed(metrics: Metrics, model: string): ObservedSpeed {
  const kept: Observation['timing'][] = [];
  metrics.onObserve(({ model: name, timing }) => {
    if (name !== model || timing.queueMs > IDLE_QUEUE_MS) return;
    kept.push(timing);
    if (kept.length > MAX_KEPT) kept.shift();
  });
  return {
    read() {
      if (kept.length < MIN_KEPT) return undefined;
      return {
        decodeSeconds: median(kept.map(({ decodeMs }) => decodeMs)) / 1000,
        inferenceSeconds: median(kept.map(({ inferenceMs }) => inferenceMs)) / 1000,
        pictures: kept.length,
      };
    },
  };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
