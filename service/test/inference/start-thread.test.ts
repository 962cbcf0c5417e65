import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropWarmThread, warmThread } from '../../src/inference/engines/thread/start.ts';

/** A thread that is alive and waited for holds a message port of this process. */
const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

test('whoever waits for the end of a warm thread that nobody wanted is told when it is gone, not earlier', async () => {
  const before = threads();
  warmThread();
  // As a thread for another engine does, which waits for nothing; the program may end while TensorFlow still loads.
  void dropWarmThread();
  assert.equal(threads(), before + 1);
  await dropWarmThread();
  assert.equal(threads(), before);
  await dropWarmThread();
});
