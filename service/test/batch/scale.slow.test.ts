import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import { simulatePlan, simulateStatus } from '../../bench/scale-simulation.ts';

// What is garbage is not held: collected at each page, the heap shows what planning keeps.
v8.setFlagsFromString('--expose-gc');
globalThis.gc = vm.runInNewContext('gc') as NodeJS.GCFunction;

test('planning holds no more of 200,000 keys than of 10,000, and lists each page once', async () => {
  const small = await simulatePlan(10_000);
  const large = await simulatePlan(200_000);
  assert.deepEqual([small.plan, small.listPages], [{ shards: 2, total: 10_000 }, 10]);
  assert.deepEqual([large.plan, large.listPages], [{ shards: 40, total: 200_000 }, 200]);
  const growth = large.peakHeapBytes - small.peakHeapBytes;
  // 190,000 more keys with their etags are more than 30 MB, if anybody kept them.
  assert.ok(growth < 8 * 2 ** 20, `${growth} bytes more`);
});

test('the status of a job of 10,000 shards takes a bounded number of calls and counts exactly', async () => {
  const { status, calls } = await simulateStatus(10_000);
  assert.deepEqual(status.counts, {
    total: 50_000_000,
    succeeded: 4_999 * 9_999,
    failed: 9_999,
    pending: 5_000,
  });
  assert.ok(calls <= 20, `${calls} calls`);
});
