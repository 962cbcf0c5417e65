import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../../domain/errors.ts';
import { openRuntime } from '../runtimes/load-runtime.ts';
import type { Runtime, RuntimeSpec } from '../runtimes/runtime.ts';
import type { ThreadMessage, ThreadRequest } from './messages.ts';

// The inside of an engine's thread: opens the model, warms it up, then answers one batch after another. Inference is
// synchronous in most runtimes; here it stops nobody but itself.

/** Of 19: about a third of the share of a thread that has not yielded. */
const NICENESS = 5;

const port = parentPort;
if (!port) throw new Error('thread-main.ts runs in a worker thread');
yieldToOthers();
const spec = (workerData as RuntimeSpec | null) ?? (await specToCome(port)) ?? process.exit();
const send = (message: ThreadMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

/**
 * Lets the event loop and the decoders go first where CPUs are short: they need little, and an engine waits for them next.
 * Threads of the runtime inherit it. Only Linux has priorities for threads.
 */
function yieldToOthers(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS);
  } catch {
    // No such file elsewhere, and in some sandboxes: then they share alike.
  }
}

/** Loads TensorFlow while nobody has said yet what to open; null when it is not wanted after all. */
async function specToCome(from: MessagePort): Promise<RuntimeSpec | null> {
  const spec = once(from, 'message');
  const { loadAddon } = await import('../runtimes/tensorflow-compiled.ts');
  try {
    loadAddon();
  } catch {
    // It is tried again, and told, when a model is opened.
  }
  return (await spec)[0] as RuntimeSpec | null;
}

try {
  const runtime = await openRuntime(spec);
  port.on('message', (request: ThreadRequest) => void answer(runtime, request));
  send({ kind: 'ready' });
} catch (error) {
  const { name, message } = error as Error;
  send({ kind: 'refused', message, noAddon: name === 'AddonUnavailable' });
}

async function answer(runtime: Runtime, request: ThreadRequest): Promise<void> {
  const { id, input } = request;
  try {
    if (request.kind === 'explain') {
      if (!runtime.explain) {
        throw new AppError('INVALID_REQUEST', `the ${spec.engine} engine cannot explain its answers`);
      }
      const output = await runtime.explain(input, request.index);
      return send({ kind: 'result', id, output, input: input.buffer }, [input.buffer]);
    }
    // Copied, as a runtime may hand out a view of memory it keeps; then transferred.
    const output = new Float32Array(await runtime.infer(input, request.size));
    send({ kind: 'result', id, output, input: input.buffer }, [output.buffer, input.buffer]);
  } catch (error) {
    const { message } = error as Error;
    send({ kind: 'failed', id, message, ...(error instanceof AppError ? { code: error.code } : {}) });
  }
}
