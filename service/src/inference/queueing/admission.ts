import { AppError } from '../../domain/errors.ts';

export interface AdmissionOptions {
  /** Largest number that may wait at a time; one more is refused. */
  readonly maxQueue: number;
  /** How many of the `accepted` that are in flight wait. */
  readonly waiting: (accepted: number) => number;
  /** What waits, for the message: images, requests. */
  readonly what: string;
}

/** Bounds the work that a model accepts, and drains it before the model closes. */
export interface Admission {
  /** Runs `work` if there is room. @throws AppError OVERLOADED; MODEL_NOT_READY after `close` */
  admit<T>(work: () => Promise<T>): Promise<T>;
  /** Stops accepting work; resolves when in-flight work is done. */
  close(): Promise<void>;
  /** See AdmissionOptions.waiting. */
  readonly waiting: number;
}

export function createAdmission({ maxQueue, waiting, what }: AdmissionOptions): Admission {
  let accepted = 0;
  let drained: (() => void) | undefined;
  let closed: Promise<void> | undefined;
  return {
    async admit(work) {
      if (closed) {
        throw new AppError('MODEL_NOT_READY', 'the service is shutting down; send the request again');
      }
      if (waiting(accepted) >= maxQueue) {
        const message = `${maxQueue} ${what} are waiting; try again later`;
        throw new AppError('OVERLOADED', message, { retryAfterSeconds: 1 });
      }
      accepted++;
      try {
        return await work();
      } finally {
        accepted--;
        if (accepted === 0) drained?.();
      }
    },
    close() {
      closed ??= new Promise((resolve) => {
        if (accepted === 0) resolve();
        else drained = resolve;
      });
      return closed;
    },
    get waiting() {
      return waiting(accepted);
    },
  };
}
