import type { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { AppError } from '../../../domain/errors.ts';
import type { BufferPool } from '../buffer-pool.ts';
import type { RuntimeSpec } from '../runtimes/runtime.ts';
import { AddonUnavailable } from '../runtimes/tensorflow-addon.ts';
import type { ThreadMessage, ThreadRequest, ThreadResult } from './messages.ts';
import { startThread } from './start.ts';
import { createWatchdog } from './watchdog.ts';

export interface EngineThreadOptions {
  readonly spec: RuntimeSpec;
  readonly logger: Logger;
  /** Longest time for a thread to load its model, in milliseconds. */
  readonly openTimeoutMs?: number;
  /** Longest time without an answer while calls are pending, in milliseconds; then the thread is replaced. */
  readonly answerTimeoutMs?: number;
  /** Called with every thread that is started. */
  readonly onThread?: (thread: Worker) => void;
}

interface PendingCall {
  readonly resolve: (output: ThreadResult) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that has loaded its model. */
export interface EngineThread {
  /** Number of calls without an answer. */
  readonly pending: number;
  /** Sends a request and transfers its input. Rejects with ENGINE_FAILED if the thread dies or hangs. */
  call(request: ThreadRequest): Promise<ThreadResult>;
  terminate(): Promise<unknown>;
}

const engineFailed = () =>
  new AppError('ENGINE_FAILED', 'the inference engine failed; send the request again');

/**
 * Starts a thread; resolves once its model is loaded.
 *
 * @param buffers receives the input of each answered call
 * @param onDeath called once with the reason if the thread dies or hangs after that
 * @throws AddonUnavailable, or AppError INVALID_MODEL if the model cannot be loaded
 */
export function startEngineThread(
  { spec, logger, onThread, openTimeoutMs = 120_000, answerTimeoutMs = 30_000 }: EngineThreadOptions,
  buffers: BufferPool,
  onDeath: (reason: string) => void,
): Promise<EngineThread> {
  return new Promise((resolve, reject) => {
    const thread = startThread(spec);
    onThread?.(thread);
    const calls = new Map<number, PendingCall>();
    const watchdog = createWatchdog(answerTimeoutMs, () => fail(`no answer within ${answerTimeoutMs} ms`));
    const openTimer = setTimeout(
      () => fail(`did not load ${spec.path} within ${openTimeoutMs} ms`),
      openTimeoutMs,
    );
    let isReady = false;
    let hasFailed = false;

    function fail(reason: string, noAddon = false): void {
      if (hasFailed) return;
      hasFailed = true;
      clearTimeout(openTimer);
      watchdog.stop();
      void thread.terminate();
      for (const call of calls.values()) call.reject(engineFailed());
      calls.clear();
      if (isReady) {
        onDeath(reason);
        return;
      }
      // TensorFlow appends the graph's traceback to its reason.
      const [line = reason] = reason.split('\n', 1);
      const message = `${spec.engine} cannot open ${spec.path}: ${line}`;
      reject(noAddon ? new AddonUnavailable(line) : new AppError('INVALID_MODEL', message));
    }

    function settle(message: Extract<ThreadMessage, { id: number }>): void {
      const call = calls.get(message.id);
      calls.delete(message.id);
      if (calls.size > 0) watchdog.feed();
      else watchdog.stop();
      if (message.kind === 'result') {
        buffers.release(message.input);
        call?.resolve(message.output);
      } else if (message.code) {
        call?.reject(new AppError(message.code, message.message));
      } else {
        logger.error({ engine: spec.engine, reason: message.message }, 'inference failed');
        call?.reject(engineFailed());
      }
    }

    thread.on('error', (error) => fail(error.message));
    thread.on('exit', (code) => fail(`exit code ${code}`));
    thread.on('message', (message: ThreadMessage) => {
      if (message.kind === 'refused') return fail(message.message, message.noAddon);
      if (message.kind !== 'ready') return settle(message);
      isReady = true;
      clearTimeout(openTimer);
      resolve({
        get pending() {
          return calls.size;
        },
        call: (request) =>
          new Promise((resolveCall, rejectCall) => {
            if (calls.size === 0) watchdog.feed();
            calls.set(request.id, { resolve: resolveCall, reject: rejectCall });
            thread.postMessage(request, [request.input.buffer]);
          }),
        terminate: () => thread.terminate(),
      });
    });
  });
}
