import { AppError } from '../domain/errors.ts';

/** The exit statuses of the command line; `--help` of every command lists them. */
export const EXIT = {
  ok: 0,
  someFailed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  fault: 5,
  /** 128 + SIGINT, as in shells. */
  interrupted: 130,
  /** 128 + SIGTERM. */
  terminated: 143,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** Codes of the command line itself; those of the service (domain/errors.ts) are passed on. */
export const CLI_CODES = [
  'USAGE',
  'UNREACHABLE',
  'UNEXPECTED_ANSWER',
  'FILE_NOT_READABLE',
  'NO_IMAGES',
  'INTERRUPTED',
] as const;

export type CliCode = (typeof CLI_CODES)[number];

/** A failure of a command or of one of its inputs: a code, a message of one line, an exit status. */
export class CommandError extends Error {
  readonly code: string;
  readonly exitStatus: ExitStatus;

  constructor(code: string, message: string, exitStatus: ExitStatus, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CommandError';
    this.code = code;
    this.exitStatus = exitStatus;
  }
}

const own = (code: CliCode, status: ExitStatus) => (message: string, cause?: unknown) =>
  new CommandError(code, message, status, { cause });

export const usageError = own('USAGE', EXIT.usage);
export const unreachable = own('UNREACHABLE', EXIT.unreachable);
export const unexpectedAnswer = own('UNEXPECTED_ANSWER', EXIT.fault);
export const notReadable = own('FILE_NOT_READABLE', EXIT.someFailed);
export const noImages = own('NO_IMAGES', EXIT.someFailed);
export const interrupted = (message: string, status: ExitStatus) =>
  new CommandError('INTERRUPTED', message, status);

/** Faults of the service, not of the request; a later attempt may succeed. */
const FAULTS = new Set(['INTERNAL', 'ENGINE_FAILED', 'STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE']);
/** The service runs, but is overloaded or still loading its model. */
const BUSY = new Set(['OVERLOADED', 'MODEL_NOT_READY', 'RATE_LIMITED']);

export function exitStatusOf(code: string): ExitStatus {
  if (BUSY.has(code)) return EXIT.unreachable;
  return FAULTS.has(code) ? EXIT.fault : EXIT.refused;
}

/** True if no service answers at an address, or another program does. */
export const isNoService = (error: unknown): boolean =>
  error instanceof CommandError && (error.code === 'UNREACHABLE' || error.code === 'UNEXPECTED_ANSWER');

/** Converts any thrown value to a CommandError. */
export function toCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof AppError) {
    const status = error.code === 'INVALID_CONFIGURATION' ? EXIT.usage : exitStatusOf(error.code);
    return new CommandError(error.code, error.message, status, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CommandError('INTERNAL', message, EXIT.fault, { cause: error });
}

/** For `--help`. */
export const EXIT_STATUS_HELP = `Exit status:
  0  everything succeeded
  1  some inputs failed, or a job ended with failures
  2  invalid command line
  3  the service is unreachable, or still overloaded after several attempts
  4  the service refused: invalid API key, unknown job or model, empty prefix
  5  the service failed, or another program answered at its address
  130 after Ctrl-C, 143 after SIGTERM`;
