import { AppError } from '../../domain/errors.ts';

export interface AdmissionOptions {
  /** Most that may wait at a time; one more is refused. */
  readonly maxQueue: number;
  /** How many wait, of the `accepted` that are at work. */
  readonly waiting: (accepted: number) => number;
  /** What waits, for the message: images, requests. */
  readonly what: string;
}

/** The door of a model: bounds what is let in, and closes when what is inside has ended. */
export interface Admission {
  /** Runs `work` if there is room for one more. @throws AppError OVERLOADED; MODEL_NOT_READY once it is closing */
  admit<T>(work: () => Promise<T>): Promise<T>;
  /** Lets nobody in any more; resolves when everybody has gone. */
  close(): Promise<void>;
  /** See AdmissionOptions.waiting. */
  readonly waiting: number;
}

export function createAdmission({ maxQueue, waiting, what }: AdmissionOptions): Admission {
  let accepted = 0;
  let empty: (() => void) | undefined;
  let closed: Promise<void> | undefined;
  return {
    async admit(work) {
      if (closed) {
        throw new AppError('MODEL_NOT_READY', 'the service is shutting down; send the request again');
      }
      if (waiting(accepted) >= maxQueue) {
        const message = `${maxQueue} ${what} are waiting already; try again shortly`;
        throw new AppError('OVERLOADED', message, { retryAfterSeconds: 1 });
      }
      accepted++;
      try {
        return await work();
      } finally {
        accepted--;
        if (accepted === 0) empty?.();
      }
    },
    close() {
      closed ??= new Promise((resolve) => {
        if (accepted === 0) resolve();
        else empty = resolve;
      });
      return closed;
    },
    get waiting() {
      return waiting(accepted);
    },
  };
}
