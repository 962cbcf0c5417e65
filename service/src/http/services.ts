import type { Logger } from 'pino';
import type { Batch } from '../batch/batch.ts';
import type { Config } from '../config/config.ts';
import type { Models } from '../domain/classifier.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracing } from '../telemetry/tracing.ts';

/** What the app needs. `app.close()` closes them. */
export interface Services {
  readonly config: Config;
  readonly logger: Logger;
  readonly models: Models;
  /** Where `{ "object": key }` and batch jobs live. */
  readonly objects?: ObjectStore;
  /** Makes, watches and ends batch jobs. */
  readonly batch?: Batch;
  /** A small WebP of an encoded image. Throws AppError UNREADABLE_IMAGE and IMAGE_TOO_LARGE. */
  readonly thumbnail?: (image: Uint8Array) => Promise<Buffer>;
  /** What GET /metrics shows beside the requests; the app makes its own when absent. */
  readonly metrics?: Metrics;
  /** Off when absent. */
  readonly tracing?: Tracing;
  /** Finishes what was accepted, then frees everything. */
  close(): Promise<void>;
}
