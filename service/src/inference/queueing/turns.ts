import { AppError } from '../../domain/errors.ts';

/** Runs one piece of work at a time, in the order of arrival. */
export interface Turns {
  /** @throws AppError REQUEST_CANCELLED, at once, when `signal` aborts before the turn has come */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** How many wait for their turn. */
  readonly waiting: number;
}

export function createTurns(): Turns {
  const queue = new Set<() => void>();
  let busy = false;

  /** Resolves when the turn has come; leaves the queue when `signal` aborts. */
  function turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        queue.delete(go);
        reject(new AppError('REQUEST_CANCELLED', 'the request was cancelled'));
      };
      const go = () => {
        queue.delete(go);
        signal?.removeEventListener('abort', leave);
        busy = true;
        resolve();
      };
      if (signal?.aborted) return leave();
      if (!busy) return go();
      queue.add(go);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  return {
    async take(work, signal) {
      await turn(signal);
      try {
        return await work();
      } finally {
        busy = false;
        const [next] = queue;
        next?.();
      }
    },
    get waiting() {
      return queue.size;
    },
  };
}
