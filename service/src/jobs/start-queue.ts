/** A recorded job to be planned and submitted. */
interface StartRequest {
  readonly jobId: string;
  /** The trace that the job is part of. */
  readonly traceparent?: string;
}

/**
 * Sends recorded jobs to the process that plans and submits them, because Lambda freezes the sender after its response.
 * Delivery is at least once.
 */
export interface StartQueue {
  /** @throws AppError QUEUE_UNAVAILABLE if the queue cannot be reached after retries */
  send(request: StartRequest): Promise<void>;
  close(): Promise<void>;
}
