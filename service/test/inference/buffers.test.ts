import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBuffers } from '../../src/inference/engines/buffers.ts';

describe('buffers', () => {
  it('gives what was released again, also to a shorter batch', () => {
    const { allocate, release } = createBuffers();
    const first = allocate(8);
    release(first);
    const second = allocate(3);
    assert.equal(second.buffer, first.buffer);
    assert.equal(second.length, 3);
    assert.notEqual(allocate(3).buffer, first.buffer, 'one buffer has one user');
  });

  it('never gives less than was asked for', () => {
    const { allocate, release } = createBuffers();
    release(allocate(2));
    assert.equal(allocate(5).length, 5);
  });

  it('keeps the three largest and no more', () => {
    const { allocate, release } = createBuffers();
    const used = [1, 2, 3, 4, 5].map((length) => allocate(length));
    for (const each of used) release(each);
    const kept = [1, 1, 1, 1].map(() => allocate(1).buffer);
    assert.deepEqual(
      kept.map((buffer) => buffer.byteLength / 4),
      [3, 4, 5, 1],
    );
  });
});
