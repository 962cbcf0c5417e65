import { createRequire } from 'node:module';

// A separate process, because a broken library may crash it: loads the addon and adds two tensors. Exits 0 only if the sum
// is right.

interface TensorFlow {
  tensor1d(values: readonly number[]): { add(other: number): { dataSync(): Float32Array } };
  getBackend(): string;
  readonly node?: unknown;
}

const require = createRequire(import.meta.url);
// tfjs-node 4.22 uses two functions that Node 23 removed.
const util = require('node:util') as Record<string, unknown>;
util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
util.isArray ??= Array.isArray;

const tf = require('@tensorflow/tfjs-node') as TensorFlow;
const sum = Array.from(tf.tensor1d([1, 2, 3]).add(1).dataSync());
if (tf.getBackend() !== 'tensorflow' || sum.join() !== '2,3,4') {
  process.stderr.write(`error: backend ${tf.getBackend()} says 1,2,3 + 1 = ${sum.join()}\n`);
  process.exitCode = 1;
}
