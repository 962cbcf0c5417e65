import { parentPort, workerData } from 'node:worker_threads';
import type { OpenRuntime, Runtime, RuntimeSpec } from './runtime.ts';
import type { InferRequest, ThreadMessage } from './thread-messages.ts';

// The inside of an engine's thread: opens the model, warms it up, then answers one batch after another. Inference is
// synchronous in most runtimes; here it stops nobody but itself.

const OPENERS: Record<RuntimeSpec['engine'], () => Promise<OpenRuntime>> = {
  tensorflow: async () => (await import('./tensorflow.ts')).openTensorFlow,
  wasm: async () => (await import('./wasm.ts')).openWasm,
};

const spec = workerData as RuntimeSpec;
const port = parentPort;
if (!port) throw new Error('thread-main.ts runs in a worker thread');
const send = (message: ThreadMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

async function open(): Promise<Runtime> {
  const openRuntime = await OPENERS[spec.engine]();
  const runtime = await openRuntime(spec);
  const [height, width, channels] = spec.inputShape;
  for (const size of spec.warmUp) {
    const output = await runtime.infer(new Float32Array(size * height * width * channels), size);
    if (output.length !== size * spec.classes) {
      throw new Error(
        `the model answers ${output.length / size} numbers an image, its manifest says ${spec.classes}`,
      );
    }
  }
  return runtime;
}

try {
  const runtime = await open();
  port.on('message', (request: InferRequest) => void answer(runtime, request));
  send({ kind: 'ready' });
} catch (error) {
  send({ kind: 'refused', message: (error as Error).message });
}

async function answer(runtime: Runtime, { id, input, size }: InferRequest): Promise<void> {
  try {
    // Copied when the runtime hands out a view of memory it keeps; transferred to the main thread either way.
    const result = await runtime.infer(input, size);
    const output = new Float32Array(result);
    send({ kind: 'result', id, output }, [output.buffer]);
  } catch (error) {
    send({ kind: 'failed', id, message: (error as Error).message });
  }
}
