import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { tuneTensorFlow } from '../../../../../models/cpu.ts';
import type { RuntimeSpec } from '../runtimes/runtime.ts';

const PROGRAM = new URL('./thread-main.js', import.meta.url);

/**
 * Longest wait for the end of an unused warm thread, in milliseconds. On a busy machine TensorFlow takes several seconds
 * to load, and a process that exits meanwhile can crash. Less than the 20 s that a stopped worker has.
 */
const DROP_WITHIN_MS = 15_000;

let warm: Worker | undefined;
/** Settles when the dropped warm thread has ended. */
let dropped: Promise<unknown> = Promise.resolve();

/**
 * Starts a thread that loads TensorFlow before its model is known. That takes half a second, in which the main thread
 * loads the program and its settings, so call this before the other imports.
 */
export function warmThread(): void {
  tuneTensorFlow();
  const thread = new Worker(PROGRAM, { name: 'engine' });
  warm = thread;
  // If TensorFlow cannot be loaded, the thread that loads the model reports why.
  const forget = () => {
    if (warm === thread) warm = undefined;
  };
  thread.once('error', forget).once('exit', forget).unref();
}

/**
 * Ends the warm thread, if it is unused, after it has loaded TensorFlow: terminating it earlier can crash native code.
 * Resolves when the thread is gone, also if an earlier call ends it. Await this before the process exits.
 */
export async function dropWarmThread(): Promise<void> {
  const thread = takeWarmThread();
  if (thread) {
    dropped = once(thread, 'exit').catch(() => undefined);
    thread.postMessage(null);
  }
  await Promise.race([dropped, sleep(DROP_WITHIN_MS, undefined, { ref: false })]);
}

/** Returns a thread that loads the model of `spec`: the warm one for TensorFlow, else a new one. */
export function startThread(spec: RuntimeSpec): Worker {
  tuneTensorFlow();
  const thread = spec.engine === 'tensorflow' ? takeWarmThread() : undefined;
  if (thread) {
    thread.postMessage(spec);
    return thread;
  }
  void dropWarmThread();
  return new Worker(PROGRAM, { workerData: spec, name: `engine-${spec.engine}` });
}

/** Hands the warm thread over, without its listeners, so that it keeps the process alive like any other. */
function takeWarmThread(): Worker | undefined {
  const thread = warm;
  warm = undefined;
  thread?.removeAllListeners().ref();
  return thread;
}
