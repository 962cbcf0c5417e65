import { type Logger, pino } from 'pino';

/** JSON lines, or a readable form when somebody is looking at a terminal. */
export function createLogger(level: string, isTerminal = process.stdout.isTTY === true): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (!isTerminal) return pino(options);
  const transport = {
    target: 'pino-pretty',
    options: { translateTime: 'SYS:HH:MM:ss', ignore: 'requestId', singleLine: true },
  };
  // Level names come from the pretty printer here: formatters cannot cross into its thread.
  return pino({ level, base: null, transport });
}
