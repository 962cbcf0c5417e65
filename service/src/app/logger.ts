import { type Logger, pino } from 'pino';

/** JSON lines, or a readable form on a terminal. */
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
  // The pretty printer adds the names of levels: formatters cannot be passed to its thread.
  return pino({ level, base: null, transport });
}
