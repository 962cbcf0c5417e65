import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../../domain/errors.ts';
import { loadRuntime } from '../runtimes/load-runtime.ts';
import type { Runtime, RuntimeSpec } from '../runtimes/runtime.ts';
import { keepAddonsLoaded } from './keep-addons.ts';
import type { ThreadMessage, ThreadRequest } from './messages.ts';

// The program of an engine's thread: it loads the model, then answers requests. Most runtimes infer synchronously, which
// here blocks only this thread.

/** Of 19: the thread gets about a third of the CPU share of one with the default priority. */
const NICENESS = 5;

const port = parentPort;
if (!port) throw new Error('thread-main.ts runs in a worker thread');
lowerPriority();
keepAddonsLoaded();
const spec = (workerData as RuntimeSpec | null) ?? (await preload(port)) ?? process.exit();
const send = (message: ThreadMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

/**
 * Lets the event loop and the decoders run first if CPUs are scarce: the engine needs their results. The runtime's own
 * threads inherit the priority. Only Linux has priorities for threads.
 */
function lowerPriority(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS);
  } catch {
    // The file is missing on other systems and in some sandboxes: the thread keeps its priority.
  }
}

/** Preloads TensorFlow, then waits for a spec; null means exit. */
async function preload(from: MessagePort): Promise<RuntimeSpec | null> {
  const message = once(from, 'message');
  const { loadAddon } = await import('../runtimes/tensorflow-addon.ts');
  try {
    loadAddon();
  } catch {
    // Loading the model tries again and reports the reason.
  }
  return (await message)[0] as RuntimeSpec | null;
}

try {
  const runtime = await loadRuntime(spec);
  port.on('message', (request: ThreadRequest) => void handle(runtime, request));
  send({ kind: 'ready' });
} catch (error) {
  const { name, message } = error as Error;
  send({ kind: 'refused', message, noAddon: name === 'AddonUnavailable' });
}

/** Answers one request and transfers its input back. */
async function handle(runtime: Runtime, request: ThreadRequest): Promise<void> {
  const { id, input } = request;
  try {
    if (request.kind === 'explain') {
      if (!runtime.explain) {
        throw new AppError('INVALID_REQUEST', `the ${spec.engine} engine cannot explain its answers`);
      }
      const output = await runtime.explain(input, request.index);
      return send({ kind: 'result', id, output, input: input.buffer }, [input.buffer]);
    }
    // A copy, because the output may be a view of memory that the runtime keeps.
    const output = new Float32Array(await runtime.infer(input, request.size));
    send({ kind: 'result', id, output, input: input.buffer }, [output.buffer, input.buffer]);
  } catch (error) {
    const { message } = error as Error;
    send({ kind: 'failed', id, message, ...(error instanceof AppError ? { code: error.code } : {}) });
  }
}
