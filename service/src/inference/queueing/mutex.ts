import { cancelled, throwIfCancelled } from './cancellation.ts';

/**
 * Runs one task at a time, in the order of arrival. Own code, because p-queue starts the next task when a running one is
 * aborted, although the engine is still busy with it, and async-mutex cannot drop a single waiter.
 */
export interface Mutex {
  /** @throws AppError REQUEST_CANCELLED, at once, if `signal` aborts before the task has started */
  runExclusive<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Tasks that have not started. */
  readonly waiting: number;
}

export function createMutex(): Mutex {
  const queue = new Set<() => void>();
  let busy = false;

  async function acquire(signal: AbortSignal | undefined): Promise<void> {
    throwIfCancelled(signal);
    if (!busy) {
      busy = true;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        queue.delete(enter);
        reject(cancelled());
      };
      const enter = () => {
        queue.delete(enter);
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      queue.add(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** The lock stays taken if it passes to the next task. */
  function release(): void {
    const [next] = queue;
    if (next) next();
    else busy = false;
  }

  return {
    async runExclusive(task, signal) {
      await acquire(signal);
      try {
        return await task();
      } finally {
        release();
      }
    },
    get waiting() {
      return queue.size;
    },
  };
}
