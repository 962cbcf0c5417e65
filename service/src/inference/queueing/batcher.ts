import { performance } from 'node:perf_hooks';
import { AppError } from '../../domain/errors.ts';
import { NO_TRACING, type Traceparent, type Tracing } from '../../telemetry/tracing.ts';
import type { Engine } from '../engines/engine.ts';

export interface BatcherOptions {
  readonly engine: Pick<Engine<Uint8Array<ArrayBuffer>>, 'allocate' | 'infer'>;
  /** Most images in one batch. */
  readonly maxBatch: number;
  /** Longest wait for a fuller batch in milliseconds, while others are on their way. */
  readonly maxDelayMs: number;
  /** Bytes of one image: height * width * channels. */
  readonly imageLength: number;
  /** Numbers one image gets in the output. */
  readonly classes: number;
  /** How many images are being decoded and will come here soon. */
  readonly expected: () => number;
  /** Always infer maxBatch images (the rest zeros), so that a result does not depend on what else was in its batch. */
  readonly fixedSize?: boolean;
  /** Called after each batch, for metrics. */
  readonly onBatch?: (size: number, milliseconds: number) => void;
  /** Told of each image's wait and inference, and of each batch; off when absent. */
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
  /** Rejects with REQUEST_CANCELLED when `signal` aborts before inference starts, ENGINE_FAILED when the engine does. */
  submit(pixels: Uint8Array, signal?: AbortSignal): Promise<Row>;
  /** To be called when an expected image will not come after all. */
  reconsider(): void;
  /** Images waiting for inference. */
  readonly waiting: number;
}

interface Item {
  readonly pixels: Uint8Array;
  readonly signal: AbortSignal | undefined;
  readonly since: number;
  /** What this image is part of. */
  readonly trace: Traceparent | undefined;
  readonly resolve: (row: Row) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Infers together what arrives together. An idle engine gets a lone image at once; while others are being decoded it
 * waits for them for up to maxDelayMs; while the engine is busy the queue fills by itself. A second batch is
 * handed over early only when it is full, so that the engine goes from one to the next without a gap.
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
    submit(pixels, signal) {
      return new Promise((resolve, reject) => {
        const [since, trace] = [performance.now(), tracing.current()];
        queue.push({ pixels, signal, since, trace, resolve, reject });
        pump();
      });
    },
    reconsider: pump,
    // Cancelled images take up no place, even while the engine is busy and nothing else looks at the queue.
    get waiting() {
      dropCancelled();
      return queue.length;
    },
  };
}

function dropIfCancelled({ signal, reject }: Item): boolean {
  if (!signal?.aborted) return false;
  reject(new AppError('REQUEST_CANCELLED', 'nobody waits for the answer any more'));
  return true;
}

/** A batch is a trace of its own with links to its images; each of them gets its wait, and its inference with a link back. */
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
