import { constants } from 'node:os';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';

/** Limit of a graceful shutdown, in milliseconds: less than the 30 s after which containers are killed. */
const SHUTDOWN_WITHIN_MS = 25_000;

/**
 * Runs `close` on SIGTERM or SIGINT, then exits: with 0, or with 1 if it fails or exceeds the limit. A second signal exits
 * at once with 128 + its number. Uncaught errors still end the process as Node does.
 */
export function onShutdown(logger: Logger, close: () => Promise<void>): void {
  const options: closeWithGrace.Options = {
    delay: SHUTDOWN_WITHIN_MS,
    skip: [
      ...([
        'SIGHUP',
        'SIGQUIT',
        'SIGILL',
        'SIGTRAP',
        'SIGABRT',
        'SIGBUS',
        'SIGFPE',
        'SIGSEGV',
        'SIGUSR2',
      ] as const),
      ...(['uncaughtException', 'unhandledRejection', 'beforeExit'] as const),
    ],
    logger: { error: (error: unknown) => logger.error({ err: error }, 'shutdown failed') },
    onSecondSignal: (signal) => process.exit(128 + constants.signals[signal]),
    onTimeout: (delay) => logger.error(`shutdown not finished after ${delay / 1000} s: exiting`),
  };
  closeWithGrace(options, async ({ signal }) => {
    logger.info({ signal }, 'shutting down: finishing what was accepted');
    await close();
  });
}
