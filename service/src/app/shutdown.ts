import type { Logger } from 'pino';

/** Longest a graceful end may take, in milliseconds: below the 30 s after which containers are killed. */
const SHUTDOWN_WITHIN_MS = 25_000;

/**
 * Runs `close` once on SIGTERM or SIGINT and exits 0. A second signal exits at once, and so does the time limit; both
 * with a status that says so (128 + the signal's number; 1).
 */
export function onShutdown(logger: Logger, close: () => Promise<void>): void {
  let isClosing = false;
  const handle = (signal: NodeJS.Signals, number: number) => {
    if (isClosing) process.exit(128 + number);
    isClosing = true;
    logger.info({ signal }, 'shutting down: finishing what was accepted');
    setTimeout(() => {
      logger.error(`not finished after ${SHUTDOWN_WITHIN_MS / 1000} s: exiting`);
      process.exit(1);
    }, SHUTDOWN_WITHIN_MS).unref();
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'shutdown failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => handle('SIGTERM', 15));
  process.on('SIGINT', () => handle('SIGINT', 2));
}
