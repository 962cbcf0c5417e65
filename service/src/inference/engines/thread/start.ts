import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { tuneTensorFlow } from '../../../../../models/cpu.ts';
import type { RuntimeSpec } from '../runtimes/runtime.ts';

const PROGRAM = new URL('./thread-main.js', import.meta.url);

/** Longest that an end waits for the warm thread, in milliseconds. */
const DROP_WITHIN_MS = 3000;

let warm: Worker | undefined;
/** Until the warm thread that nobody wanted has ended. */
let dropped: Promise<unknown> = Promise.resolve();

/**
 * Starts a thread that loads TensorFlow before anybody knows which model it is for: half a second, in which the main thread
 * reads the program and its settings. To be called first, before the rest is imported.
 */
export function warmThread(): void {
  tuneTensorFlow();
  const thread = new Worker(PROGRAM, { name: 'engine' });
  warm = thread;
  // Where it cannot be had, the thread that opens the model says why.
  const forget = () => {
    if (warm === thread) warm = undefined;
  };
  thread.once('error', forget).once('exit', forget).unref();
}

/**
 * Ends the warm thread, if nobody took it, when it has loaded: stopped in the middle of that, native code has been seen to
 * crash. Resolves when it is gone, also if another call has begun to end it; to be awaited before the process exits.
 */
export async function dropWarmThread(): Promise<void> {
  const thread = takeWarmThread();
  if (thread) {
    dropped = once(thread, 'exit').catch(() => undefined);
    thread.postMessage(null);
  }
  await Promise.race([dropped, sleep(DROP_WITHIN_MS, undefined, { ref: false })]);
}

/** A thread that opens the model of `spec`: the warm one if it fits. */
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

/** The warm thread, as any other from now on. */
function takeWarmThread(): Worker | undefined {
  const thread = warm;
  warm = undefined;
  thread?.removeAllListeners().ref();
  return thread;
}
