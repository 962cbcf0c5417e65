import { type EmfMetrics, MAX_EMF_VALUES } from './emf.ts';
import type { Metrics } from './metrics.ts';

export interface StageMeter {
  /** The stage times since the last call, in milliseconds; empty if nothing was classified. */
  take(): EmfMetrics;
}

/** Collects the stage times of an invocation. An environment of AWS Lambda has only one at a time. */
export function createStageMeter(metrics: Pick<Metrics, 'onObserve'>): StageMeter {
  let decode: number[] = [];
  let queue: number[] = [];
  let inference: number[] = [];
  metrics.onObserve(({ timing }) => {
    if (decode.length === MAX_EMF_VALUES) return;
    decode.push(timing.decodeMs);
    queue.push(timing.queueMs);
    inference.push(timing.inferenceMs);
  });
  return {
    take() {
      const taken: EmfMetrics = {
        DecodeTime: [decode, 'Milliseconds'],
        QueueTime: [queue, 'Milliseconds'],
        InferenceTime: [inference, 'Milliseconds'],
      };
      const isEmpty = decode.length === 0;
      decode = [];
      queue = [];
      inference = [];
      return isEmpty ? {} : taken;
    },
  };
}
