import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BatcherOptions, createBatcher } from '../../src/inference/queueing/batcher.ts';

/** An engine whose every batch ends when the test says so: it answers each image's own number. */
function manualEngine() {
  const batches: { input: Uint8Array; size: number; finish: () => void; fail: (error: Error) => void }[] = [];
  const infer = (input: Uint8Array, size: number) =>
    new Promise<Float32Array>((resolve, reject) => {
      batches.push({ input, size, finish: () => resolve(Float32Array.from(input)), fail: reject });
    });
  const status = { engine: 'tensorflow', precision: 'float32' } as const;
  // What an earlier batch left behind.
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
    submit: (value: number, signal?: AbortSignal) => batcher.submit(Uint8Array.of(value), signal),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const sizes = (batches: { size: number }[]) => batches.map(({ size }) => size);

describe('the batcher', () => {
  it('hands a lone image to an idle engine at once', () => {
    const { batches, submit } = setUp();
    void submit(1);
    assert.deepEqual(sizes(batches), [1]);
  });

  it('infers together what arrives while the engine is busy, and gives each its own row', async () => {
    const { batches, submit } = setUp();
    const rows = [1, 2, 3].map((value) => submit(value));
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

  it('hands over a second batch early only when it is full, and no third', () => {
    const { batches, submit } = setUp();
    for (let i = 0; i < 20; i++) void submit(i);
    assert.deepEqual(sizes(batches), [1, 4]);
  });

  it('waits for images that are on their way, and no longer than the delay', async () => {
    let expected = 2;
    const { batches, submit } = setUp({ expected: () => expected });
    void submit(1);
    assert.deepEqual(sizes(batches), []);
    expected = 0;
    void submit(2);
    assert.deepEqual(sizes(batches), [2], 'nobody else is on the way, so there is nothing to wait for');
    batches[0]?.finish();
    await settled();
    expected = 5;
    void submit(3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(sizes(batches), [2, 1], 'the delay is over');
  });

  it('stops waiting when it is told that an expected image will not come', () => {
    let expected = 1;
    const { batches, batcher, submit } = setUp({ expected: () => expected, maxDelayMs: 1000 });
    void submit(1);
    assert.deepEqual(sizes(batches), []);
    expected = 0;
    batcher.reconsider();
    assert.deepEqual(sizes(batches), [1]);
  });

  it('drops an image before inference when its client has gone', async () => {
    const { batches, batcher, submit } = setUp();
    void submit(1);
    const client = new AbortController();
    const dropped = submit(2, client.signal);
    const kept = submit(3);
    client.abort();
    batches[0]?.finish();
    await assert.rejects(dropped, { code: 'REQUEST_CANCELLED' });
    assert.deepEqual([...(batches[1]?.input ?? [])], [3]);
    batches[1]?.finish();
    assert.equal((await kept).output[0], 3);
    assert.equal(batcher.waiting, 0);
  });

  it('fails the images of a failed batch and goes on with the next', async () => {
    const { batches, submit } = setUp();
    const lost = submit(1);
    const next = submit(2);
    batches[0]?.fail(new Error('the engine died'));
    await assert.rejects(lost, /the engine died/);
    batches[1]?.finish();
    assert.equal((await next).output[0], 2);
  });

  it('fills a batch of fixed size with zeros', () => {
    const { batches, submit } = setUp({ fixedSize: true });
    void submit(7);
    assert.deepEqual([...(batches[0]?.input ?? [])], [7, 0, 0, 0]);
  });
});
