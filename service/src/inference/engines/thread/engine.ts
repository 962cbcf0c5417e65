import type { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { AppError } from '../../../domain/errors.ts';
import { type Buffers, createBuffers } from '../buffers.ts';
import type { ActivationMap, Engine, EngineInput, EngineStatus } from '../engine.ts';
import { AddonUnavailable } from '../runtimes/addon-unavailable.ts';
import type { RuntimeSpec } from '../runtimes/runtime.ts';
import type { ThreadMessage, ThreadRequest, ThreadResult } from './messages.ts';
import { startThread } from './start.ts';
import { createWatchdog } from './watchdog.ts';

export interface ThreadEngineOptions {
  readonly spec: RuntimeSpec;
  readonly status: EngineStatus;
  readonly logger: Logger;
  /** Longest wait for a thread to open its model, in milliseconds. */
  readonly openTimeoutMs?: number;
  /** Longest time without an answer while some are owed, in milliseconds: then the thread hangs and is replaced. */
  readonly answerTimeoutMs?: number;
  /** Called with every thread that is started: tests kill it, monitors count it. */
  readonly onThread?: (thread: Worker) => void;
}

interface Waiting {
  readonly resolve: (output: ThreadResult) => void;
  readonly reject: (error: Error) => void;
}

/** One thread and what it owes. */
interface Running {
  readonly thread: Worker;
  readonly waiting: Map<number, Waiting>;
  send(request: ThreadRequest, waiting: Waiting): void;
}

const RESTART_PAUSE_MS = 1000;
/** Longest wait for the end of a thread: native code that hangs cannot be stopped. */
const TERMINATE_WITHIN_MS = 2000;

/**
 * An engine in a worker thread. When the thread dies or hangs, what it was working on fails with ENGINE_FAILED, and a new
 * one is started; calls made meanwhile wait for it, and `ready` is false.
 *
 * @throws AppError INVALID_MODEL when the first thread cannot open the model
 */
export async function createThreadEngine<Input extends EngineInput>(
  options: ThreadEngineOptions,
): Promise<Engine<Input>> {
  const { spec, status, logger } = options;
  let nextId = 0;
  let closing = false;
  const buffers = createBuffers();
  let ready = false;
  let current: Promise<Running> = start(options, buffers, onDeath);
  await current;
  ready = true;

  function onDeath(reason: string): void {
    if (closing) return;
    logger.error({ ...status, reason }, 'engine thread died; starting another');
    ready = false;
    current = restart();
    // Whoever calls infer meanwhile sees the failure; nobody may be calling.
    current.catch(() => undefined);
  }

  async function restart(): Promise<Running> {
    try {
      const running = await start(options, buffers, onDeath);
      ready = true;
      return running;
    } catch (error) {
      if (closing) throw error;
      logger.error(
        { ...status, reason: (error as Error).message },
        'engine thread does not come back; trying again',
      );
      await new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MS).unref());
      return restart();
    }
  }

  async function ask(request: (id: number) => ThreadRequest): Promise<ThreadResult> {
    if (closing) throw new AppError('ENGINE_FAILED', 'the engine is closed');
    const running = await current;
    return new Promise((resolve, reject) => running.send(request(nextId++), { resolve, reject }));
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
    infer: async (input, size) => (await ask((id) => ({ kind: 'infer', id, input, size }))) as Float32Array,
    explain: async (input, index) =>
      (await ask((id) => ({ kind: 'explain', id, input, index }))) as ActivationMap,
    async close() {
      closing = true;
      const running = await current.catch(() => undefined);
      if (!running) return;
      while (running.waiting.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await Promise.race([
        running.thread.terminate(),
        new Promise((resolve) => setTimeout(resolve, TERMINATE_WITHIN_MS).unref()),
      ]);
    },
  };
}

function start(
  { spec, logger, onThread, openTimeoutMs = 120_000, answerTimeoutMs = 30_000 }: ThreadEngineOptions,
  buffers: Buffers,
  onDeath: (reason: string) => void,
): Promise<Running> {
  return new Promise((resolve, reject) => {
    const thread = startThread(spec);
    onThread?.(thread);
    const watchdog = createWatchdog(answerTimeoutMs, () => die(`no answer within ${answerTimeoutMs} ms`));
    const running: Running = {
      thread,
      waiting: new Map(),
      send(request, waiting) {
        if (running.waiting.size === 0) watchdog.feed();
        running.waiting.set(request.id, waiting);
        thread.postMessage(request, [request.input.buffer]);
      },
    };
    let ready = false;
    let gone = false;
    const timer = setTimeout(
      () => die(`did not open ${spec.path} within ${openTimeoutMs} ms`),
      openTimeoutMs,
    );

    function die(reason: string, noAddon = false): void {
      if (gone) return;
      gone = true;
      clearTimeout(timer);
      watchdog.rest();
      void thread.terminate();
      const error = new AppError('ENGINE_FAILED', 'the inference engine failed; send the request again');
      for (const { reject: fail } of running.waiting.values()) fail(error);
      running.waiting.clear();
      if (ready) onDeath(reason);
      else {
        // TensorFlow's reasons go on with the graph's own traceback.
        const [line = reason] = reason.split('\n', 1);
        reject(
          noAddon
            ? new AddonUnavailable(line)
            : new AppError('INVALID_MODEL', `${spec.engine} cannot open ${spec.path}: ${line}`),
        );
      }
    }

    thread.on('error', (error) => die(error.message));
    thread.on('exit', (code) => die(`exit code ${code}`));
    thread.on('message', (message: ThreadMessage) => {
      switch (message.kind) {
        case 'ready':
          ready = true;
          clearTimeout(timer);
          return resolve(running);
        case 'refused':
          return die(message.message, message.noAddon);
        case 'result':
        case 'failed': {
          const waiter = running.waiting.get(message.id);
          running.waiting.delete(message.id);
          if (running.waiting.size > 0) watchdog.feed();
          else watchdog.rest();
          if (message.kind === 'result') {
            buffers.release(message.input);
            return waiter?.resolve(message.output);
          }
          if (message.code) return waiter?.reject(new AppError(message.code, message.message));
          logger.error({ engine: spec.engine, reason: message.message }, 'inference failed');
          return waiter?.reject(
            new AppError('ENGINE_FAILED', 'the inference engine failed; send the request again'),
          );
        }
      }
    });
  });
}
