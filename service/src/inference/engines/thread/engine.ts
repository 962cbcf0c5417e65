import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../../domain/errors.ts';
import { createBufferPool } from '../buffer-pool.ts';
import type { ActivationMap, Engine, EngineInput, EngineStatus } from '../engine.ts';
import { type EngineThread, type EngineThreadOptions, startEngineThread } from './engine-thread.ts';
import type { ThreadRequest, ThreadResult } from './messages.ts';

export interface ThreadEngineOptions extends EngineThreadOptions {
  readonly status: EngineStatus;
}

const RESTART_PAUSE_MS = 1000;
/** Longest wait for the end of a thread: native code that hangs cannot be stopped. */
const TERMINATE_WITHIN_MS = 2000;

/**
 * Creates an engine in a worker thread. If the thread dies or hangs, its pending calls fail with ENGINE_FAILED and a new
 * thread is started; calls made meanwhile wait for it, and `ready` is false.
 *
 * @throws AddonUnavailable, or AppError INVALID_MODEL if the first thread cannot load the model
 */
export async function createThreadEngine<Input extends EngineInput>(
  options: ThreadEngineOptions,
): Promise<Engine<Input>> {
  const { spec, status, logger } = options;
  const buffers = createBufferPool();
  let nextId = 0;
  let closing = false;
  let ready = false;
  let current: Promise<EngineThread> = startEngineThread(options, buffers, replace);
  await current;
  ready = true;

  function replace(reason: string): void {
    if (closing) return;
    logger.error({ ...status, reason }, 'engine thread died; starting another');
    ready = false;
    current = restart();
    // Calls report the failure; there may be none.
    current.catch(() => undefined);
  }

  async function restart(): Promise<EngineThread> {
    try {
      const thread = await startEngineThread(options, buffers, replace);
      ready = true;
      return thread;
    } catch (error) {
      if (closing) throw error;
      const reason = (error as Error).message;
      logger.error({ ...status, reason }, 'engine thread does not start; trying again');
      await sleep(RESTART_PAUSE_MS, undefined, { ref: false });
      return restart();
    }
  }

  async function call(request: (id: number) => ThreadRequest): Promise<ThreadResult> {
    if (closing) throw new AppError('ENGINE_FAILED', 'the engine is closed');
    const thread = await current;
    return thread.call(request(nextId++));
  }

  return {
    status,
    get ready() {
      return ready;
    },
    allocate(length) {
      const numbers = spec.image ? Uint8Array : Float32Array;
      return new numbers(buffers.allocate(length * numbers.BYTES_PER_ELEMENT), 0, length) as Input;
    },
    infer: async (input, size) => (await call((id) => ({ kind: 'infer', id, input, size }))) as Float32Array,
    explain: async (input, index) =>
      (await call((id) => ({ kind: 'explain', id, input, index }))) as ActivationMap,
    async close() {
      closing = true;
      const thread = await current.catch(() => undefined);
      if (!thread) return;
      while (thread.pending > 0) await sleep(5);
      await Promise.race([thread.terminate(), sleep(TERMINATE_WITHIN_MS, undefined, { ref: false })]);
    },
  };
}
