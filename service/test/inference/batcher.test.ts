import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BatcherOptions, createBatcher } from '../../src/inference/queueing/batcher.ts';
import { until } from '../helpers/until.ts';

/** An engine whose batches the test ends; the output of an image is its own number. */
function manualEngine() {
  const batches: { input: Uint8Array; size: number; finish: () => void; fail: (error: Error) => void }[] = [];
  const infer = (input: Uint8Array, size: number) =>
    new Promise<Float32Array>((resolve, reject) => {
      batches.push({ input, size, finish: () => resolve(Float32Array.from(input)), fail: reject });
    });
  const status = { engine: 'tensorflow', precision: 'float32' } as const;
  // The old content of a reused buffer.
  const allocate = (length: number) => new Uint8Array(length).fill(9);
  return { batches, engine: { status, allocate, infer, close: async () => {} } };
}

function setUp(options: Partial<BatcherOptions> = {}) {
  const { batches, engine } = manualEngine();
  const batcher = createBatcher({
    engine,
    maxBatch: 4,
    maxDelayMs: 5,
    imageLength: 1,
    classes: 1,
    expected: () => 0,
    ...options,
  });
  return {
    batches,
    batcher,
    enqueue: (value: number, signal?: AbortSignal) => batcher.enqueue(Uint8Array.of(value), signal),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const sizes = (batches: { size: number }[]) => batches.map(({ size }) => size);

describe('the batcher', () => {
  it('sends a lone image to an idle engine at once', () => {
    const { batches, enqueue } = setUp();
    void enqueue(1);
    assert.deepEqual(sizes(batches), [1]);
  });

  it('infers together what arrives while the engine is busy, and gives each its own row', async () => {
    const { batches, enqueue } = setUp();
    const rows = [1, 2, 3].map((value) => enqueue(value));
    assert.deepEqual(sizes(batches), [1]);
    batches[0]?.finish();
    await settled();
    assert.deepEqual(sizes(batches), [1, 2]);
    batches[1]?.finish();
    assert.deepEqual(
      (await Promise.all(rows)).map(({ output }) => output[0]),
      [1, 2, 3],
    );
  });

  it('sends a second batch early only if it is full, and no third', () => {
    const { batches, enqueue } = setUp();
    for (let i = 0; i < 20; i++) void enqueue(i);
    assert.deepEqual(sizes(batches), [1, 4]);
  });

  it('waits for images that are on their way, and no longer than the delay', async () => {
    let expected = 2;
    const { batches, enqueue } = setUp({ expected: () => expected });
    void enqueue(1);
    assert.deepEqual(sizes(batches), []);
    expected = 0;
    void enqueue(2);
    assert.deepEqual(sizes(batches), [2], 'no other image is expected');
    batches[0]?.finish();
    await settled();
    expected = 5;
    void enqueue(3);
    assert.deepEqual(sizes(batches), [2]);
    await until('the batch after the delay', () => batches.length === 2);
    assert.deepEqual(sizes(batches), [2, 1]);
  });

  it('stops waiting if an expected image will not come', () => {
    let expected = 1;
    const { batches, batcher, enqueue } = setUp({ expected: () => expected, maxDelayMs: 1000 });
    void enqueue(1);
    assert.deepEqual(sizes(batches), []);
    expected = 0;
    batcher.reconsider();
    assert.deepEqual(sizes(batches), [1]);
  });

  it('drops an image before inference if its client disconnects', async () => {
    const { batches, batcher, enqueue } = setUp();
    void enqueue(1);
    const client = new AbortController();
    const dropped = enqueue(2, client.signal);
    const kept = enqueue(3);
    client.abort();
    batches[0]?.finish();
    await assert.rejects(dropped, { code: 'REQUEST_CANCELLED' });
    assert.deepEqual([...(batches[1]?.input ?? [])], [3]);
    batches[1]?.finish();
    assert.equal((await kept).output[0], 3);
    assert.equal(batcher.waiting, 0);
  });

  it('fails the images of a failed batch and runs the next', async () => {
    const { batches, enqueue } = setUp();
    const lost = enqueue(1);
    const next = enqueue(2);
    batches[0]?.fail(new Error('the engine died'));
    await assert.rejects(lost, /the engine died/);
    batches[1]?.finish();
    assert.equal((await next).output[0], 2);
  });

  it('fills a batch of fixed size with zeros', () => {
    const { batches, enqueue } = setUp({ fixedSize: true });
    void enqueue(7);
    assert.deepEqual([...(batches[0]?.input ?? [])], [7, 0, 0, 0]);
  });
});
