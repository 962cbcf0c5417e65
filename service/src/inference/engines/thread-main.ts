import { parentPort, workerData } from 'node:worker_threads';
import { AppError } from '../../domain/errors.ts';
import type { OpenRuntime, Runtime, RuntimeSpec } from './runtime.ts';
import type { ThreadMessage, ThreadRequest } from './thread-messages.ts';

// The inside of an engine's thread: opens the model, warms it up, then answers one batch after another. Inference is
// synchronous in most runtimes; here it stops nobody but itself.

const OPENERS: Record<RuntimeSpec['engine'], () => Promise<OpenRuntime>> = {
  tensorflow: async () => (await import('./tensorflow.ts')).openTensorFlow,
  wasm: async () => (await import('./wasm.ts')).openWasm,
  onnx: async () => (await import('./onnx.ts')).openOnnx,
};

const spec = workerData as RuntimeSpec;
const port = parentPort;
if (!port) throw new Error('thread-main.ts runs in a worker thread');
const send = (message: ThreadMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

async function open(): Promise<Runtime> {
  const openRuntime = await OPENERS[spec.engine]();
  const runtime = await openRuntime(spec);
  const length = spec.inputShape.reduce((product, side) => product * side, 1);
  for (const size of spec.warmUp) {
    const output = await runtime.infer(new Float32Array(size * length), size);
    if (output.length !== size * spec.classes) {
      throw new Error(
        `the model answers ${output.length / size} numbers an input, its manifest says ${spec.classes}`,
      );
    }
  }
  return runtime;
}

try {
  const runtime = await open();
  port.on('message', (request: ThreadRequest) => void answer(runtime, request));
  send({ kind: 'ready' });
} catch (error) {
  send({ kind: 'refused', message: (error as Error).message });
}

async function answer(runtime: Runtime, request: ThreadRequest): Promise<void> {
  const { id, input } = request;
  try {
    if (request.kind === 'explain') {
      if (!runtime.explain) {
        throw new AppError('INVALID_REQUEST', `the ${spec.engine} engine cannot explain its answers`);
      }
      const output = await runtime.explain(input, request.index);
      return send({ kind: 'result', id, output, input }, [input.buffer]);
    }
    // Copied, as a runtime may hand out a view of memory it keeps; then transferred.
    const output = new Float32Array(await runtime.infer(input, request.size));
    send({ kind: 'result', id, output, input }, [output.buffer, input.buffer]);
  } catch (error) {
    const { message } = error as Error;
    send({ kind: 'failed', id, message, ...(error instanceof AppError ? { code: error.code } : {}) });
  }
}
