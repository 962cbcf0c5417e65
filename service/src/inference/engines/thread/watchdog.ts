/** A timer that fires if work makes no progress. */
export interface Watchdog {
  /** Restarts the timer: work has begun, or has made progress and is not done. */
  feed(): void;
  /** Stops the timer: no work is pending. */
  stop(): void;
}

/**
 * @param timeoutMs time without progress
 * @param onHang called once for each such time
 */
export function createWatchdog(timeoutMs: number, onHang: () => void): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  function stop(): void {
    clearTimeout(timer);
    timer = undefined;
  }
  return {
    feed() {
      stop();
      const started = setTimeout(() => {
        // If this thread itself was blocked, the answer may have arrived unread: let the event loop read it first.
        setImmediate(() => setImmediate(() => timer === started && onHang()));
      }, timeoutMs).unref();
      timer = started;
    },
    stop,
  };
}
