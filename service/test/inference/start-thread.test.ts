import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropWarmThread, warmThread } from '../../src/inference/engines/thread/start.ts';

/** A live thread holds a message port of this process. */
const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

test('the drop of an unused warm thread resolves when the thread has ended, not earlier', async () => {
  const before = threads();
  warmThread();
  // Not awaited, as when a thread for another engine starts; the program may end while TensorFlow still loads.
  void dropWarmThread();
  assert.equal(threads(), before + 1);
  await dropWarmThread();
  assert.equal(threads(), before);
  await dropWarmThread();
});
