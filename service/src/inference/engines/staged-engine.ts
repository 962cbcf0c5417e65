import type { Logger } from 'pino';
import type { Engine } from './engine.ts';

/**
 * Serves on `first` at once, opens a second engine behind it, and swaps when that one is warm. Batches already handed
 * to the first are answered by it; it is closed when they are done, so that nobody notices but by the speed. Explanations
 * are left to `explainer`.
 */
export function createStagedEngine(
  first: Engine,
  openSecond: () => Promise<Engine>,
  explainer: Pick<Engine, 'explain' | 'close'>,
  logger: Logger,
): Engine {
  let active = first;
  let closing = false;
  const swap = openSecond().then(
    async (second) => {
      if (closing) return second.close();
      active = second;
      logger.info(second.status, 'engine swapped to its faster stage');
      await first.close();
    },
    // The first stage answers all the same, only more slowly: worth a warning, not an outage.
    (error: Error) => logger.warn({ reason: error.message }, 'engine stays on its first stage'),
  );
  return {
    get status() {
      return active.status;
    },
    allocate: (length) => active.allocate(length),
    infer: (input, size) => active.infer(input, size),
    explain: (input, index) => explainer.explain(input, index),
    async close() {
      closing = true;
      await explainer.close();
      await active.close();
      await swap;
    },
  };
}
