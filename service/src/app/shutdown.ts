import type { Logger } from 'pino';

/** Longest a graceful end may take, in milliseconds: below the 30 s after which containers are killed. */
const SHUTDOWN_WITHIN_MS = 25_000;

/**
 * Runs `close` once on SIGTERM or SIGINT and exits 0. SIGINT during that exits at once with 130, the time limit with 1. A
 * repeated SIGTERM changes nothing: the process group and set-up, which forwards signals, may both deliver it. (The package
 * close-with-grace exits on every second signal.)
 */
export function onShutdown(logger: Logger, close: () => Promise<void>): void {
  let isClosing = false;
  const handle = (signal: NodeJS.Signals) => {
    if (isClosing && signal === 'SIGINT') process.exit(130);
    if (isClosing) return;
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
  process.on('SIGTERM', handle).on('SIGINT', handle);
}
