import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBufferPool } from '../../src/inference/engines/buffer-pool.ts';

describe('buffers', () => {
  it('gives what was released again, also to a shorter batch', () => {
    const { allocate, release } = createBufferPool();
    const first = allocate(8);
    release(first);
    const second = allocate(3);
    assert.equal(second, first);
    assert.notEqual(allocate(3), first, 'one buffer has one user');
  });

  it('never gives less than was asked for', () => {
    const { allocate, release } = createBufferPool();
    release(allocate(2));
    assert.equal(allocate(5).byteLength, 5);
  });

  it('keeps the three largest and no more', () => {
    const { allocate, release } = createBufferPool();
    const used = [1, 2, 3, 4, 5].map((bytes) => allocate(bytes));
    for (const each of used) release(each);
    const kept = [1, 1, 1, 1].map(() => allocate(1));
    assert.deepEqual(
      kept.map((buffer) => buffer.byteLength),
      [3, 4, 5, 1],
    );
  });
});
