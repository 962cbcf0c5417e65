/** A recorded job that is to be planned and submitted. */
interface StartRequest {
  readonly jobId: string;
  /** The trace that the job is part of. */
  readonly traceparent?: string;
}

/**
 * Takes recorded jobs to where they are planned and submitted: for processes that are frozen as soon as they have
 * answered. Delivery is at least once.
 */
export interface StartQueue {
  /** @throws AppError QUEUE_UNAVAILABLE when it cannot be reached after retries */
  send(request: StartRequest): Promise<void>;
  close(): Promise<void>;
}
