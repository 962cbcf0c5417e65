import type { Engine } from './engine.ts';

/** How long an engine that nobody asks is kept open, in milliseconds. */
const IDLE_MS = 60_000;

/**
 * Explains with an engine that is opened when somebody asks and closed when nobody has for a while: a second graph for
 * the constants' engine would cost it seconds and a gigabyte, and few requests ask for explanations.
 */
export function createOnDemandExplainer(
  open: () => Promise<Engine>,
  idleMs = IDLE_MS,
): Pick<Engine, 'explain' | 'close'> {
  let opened: Promise<Engine> | undefined;
  let running = 0;
  let timer: NodeJS.Timeout | undefined;

  async function close(): Promise<void> {
    clearTimeout(timer);
    const closing = opened;
    opened = undefined;
    await (await closing?.catch(() => undefined))?.close();
  }

  return {
    async explain(input, index) {
      running++;
      clearTimeout(timer);
      opened ??= open();
      try {
        return await (await opened).explain(input, index);
      } catch (error) {
        // One that did not open is not kept: the next request tries again.
        opened?.catch(() => {
          opened = undefined;
        });
        throw error;
      } finally {
        running--;
        if (running === 0) timer = setTimeout(() => void close(), idleMs).unref();
      }
    },
    close,
  };
}
