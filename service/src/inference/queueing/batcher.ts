import { performance } from 'node:perf_hooks';
import { NO_TRACING, type Traceparent, type Tracing } from '../../telemetry/tracing.ts';
import type { Engine } from '../engines/engine.ts';
import { cancelled } from './cancellation.ts';

export interface BatcherOptions {
  readonly engine: Pick<Engine<Uint8Array<ArrayBuffer>>, 'allocate' | 'infer'>;
  /** Largest number of images in a batch. */
  readonly maxBatch: number;
  /** Longest wait for a fuller batch while other images are being decoded, in milliseconds. */
  readonly maxDelayMs: number;
  /** Bytes of one image: height * width * channels. */
  readonly imageLength: number;
  /** Numbers in the output for one image. */
  readonly classes: number;
  /** How many images are being decoded and will be enqueued next. */
  readonly expected: () => number;
  /** Pad every batch to maxBatch images with zeros, so that a result does not depend on the rest of its batch. */
  readonly fixedSize?: boolean;
  /** Called after each batch, for metrics. */
  readonly onBatch?: (size: number, milliseconds: number) => void;
  /** Records the wait and the inference of each image, and each batch; off if absent. */
  readonly tracing?: Tracing;
  /** Name of the model, for traces. */
  readonly model?: string;
}

/** One row of the output and the time it took, in milliseconds. */
interface Row {
  readonly output: Float32Array;
  readonly queueMs: number;
  readonly inferenceMs: number;
}

export interface Batcher {
  /**
   * Adds an image to the next batch; resolves with its row of the output.
   *
   * @param pixels uint8, shape [height, width, channels]; read until the batch starts
   * @throws AppError REQUEST_CANCELLED if `signal` aborts before inference starts, ENGINE_FAILED
   */
  enqueue(pixels: Uint8Array, signal?: AbortSignal): Promise<Row>;
  /** Call this if an expected image will not be enqueued. */
  reconsider(): void;
  /** Images waiting for inference. */
  readonly waiting: number;
}

interface Item {
  readonly pixels: Uint8Array;
  readonly signal: AbortSignal | undefined;
  readonly since: number;
  /** The image's request. */
  readonly trace: Traceparent | undefined;
  readonly resolve: (row: Row) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Infers images in batches. If the engine is idle, a lone image starts at once; if others are being decoded, it waits up
 * to maxDelayMs for them. While the engine is busy, the queue fills. A second batch is sent early only if it is full, so
 * that the engine goes from one batch to the next without a gap.
 */
export function createBatcher(options: BatcherOptions): Batcher {
  const { engine, maxBatch, maxDelayMs, fixedSize = false, tracing = NO_TRACING, model = '' } = options;
  let queue: Item[] = [];
  let inFlight = 0;
  let timer: NodeJS.Timeout | undefined;

  function dropCancelled(): void {
    queue = queue.filter((item) => !dropIfCancelled(item));
  }

  function pump(): void {
    clearTimeout(timer);
    timer = undefined;
    dropCancelled();
    while (queue.length > 0) {
      const full = queue.length >= maxBatch;
      if (inFlight > 1 || (inFlight === 1 && !full)) return;
      const oldest = queue[0] as Item;
      const wait = oldest.since + maxDelayMs - performance.now();
      if (!full && wait > 0 && options.expected() > 0) {
        timer = setTimeout(pump, Math.ceil(wait));
        return;
      }
      void run(queue.splice(0, maxBatch));
    }
  }

  async function run(items: Item[]): Promise<void> {
    inFlight++;
    const started = performance.now();
    try {
      const size = fixedSize ? maxBatch : items.length;
      const batch = engine.allocate(size * options.imageLength);
      batch.fill(0, items.length * options.imageLength);
      items.forEach((item, index) => {
        batch.set(item.pixels, index * options.imageLength);
      });
      const infer = () => engine.infer(batch, size);
      const output = await traced(tracing, { items, model, started }, infer);
      const inferenceMs = performance.now() - started;
      options.onBatch?.(items.length, inferenceMs);
      items.forEach((item, index) => {
        const row = output.subarray(index * options.classes, (index + 1) * options.classes);
        item.resolve({ output: row, queueMs: started - item.since, inferenceMs });
      });
    } catch (error) {
      for (const item of items) item.reject(error as Error);
    } finally {
      inFlight--;
      pump();
    }
  }

  return {
    enqueue(pixels, signal) {
      return new Promise((resolve, reject) => {
        const [since, trace] = [performance.now(), tracing.current()];
        queue.push({ pixels, signal, since, trace, resolve, reject });
        pump();
      });
    },
    reconsider: pump,
    // Cancelled images do not count, even while the engine is busy and `pump` does not run.
    get waiting() {
      dropCancelled();
      return queue.length;
    },
  };
}

function dropIfCancelled({ signal, reject }: Item): boolean {
  if (!signal?.aborted) return false;
  reject(cancelled());
  return true;
}

/** A batch is a trace of its own, linked to its images; the trace of each image gets its wait and its inference. */
async function traced<T>(
  tracing: Tracing,
  { items, model, started: to }: { items: readonly Item[]; model: string; started: number },
  infer: () => Promise<T>,
): Promise<T> {
  for (const { since: from, trace: parent } of items) {
    if (parent !== undefined) tracing.record('queue', { parent, from, to });
  }
  const links = items.map(({ trace }) => trace);
  const attributes = { 'model.name': model, 'batch.size': items.length };
  return tracing.span('inference batch', { root: true, attributes, links }, async ({ traceparent }) => {
    try {
      return await infer();
    } finally {
      for (const { trace: parent } of items) {
        if (parent === undefined) continue;
        const times = { from: to, to: performance.now() };
        tracing.record('inference', { parent, attributes, links: [traceparent], ...times });
      }
    }
  });
}
