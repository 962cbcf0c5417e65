/** Notices work that does not advance. */
export interface Watchdog {
  /** To be called when work begins, and at each sign of life while some is left. */
  feed(): void;
  /** Nothing is under way. */
  rest(): void;
}

/**
 * @param timeoutMs time without a sign of life
 * @param onHang called once for each such time
 */
export function createWatchdog(timeoutMs: number, onHang: () => void): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  let fed = 0;
  function rest(): void {
    clearTimeout(timer);
    timer = undefined;
  }
  return {
    feed() {
      rest();
      const mine = ++fed;
      timer = setTimeout(() => {
        // If this thread itself was blocked, the answer may be there, unread.
        setImmediate(() => setImmediate(() => mine === fed && timer !== undefined && onHang()));
      }, timeoutMs).unref();
    },
    rest,
  };
}
