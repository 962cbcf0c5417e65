/**
 * How planning and status grow: 10^3 to 10^6 keys from a simulated listing in pages of 1,000, shards into a real folder;
 * and the status of a job of 10,000 shards. Run: node --expose-gc dist/service/bench/scale.js
 */
import { simulatePlan, simulateStatus } from './scale-simulation.ts';

const print = (...cells: readonly (string | number)[]) =>
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(14)).join('')}\n`);

print('keys', 'shards', 'plan ms', 'us a key', 'peak heap MiB', 'list calls');
for (const keys of [1_000, 10_000, 100_000, 1_000_000]) {
  const { plan, planMs, peakHeapBytes, listPages } = await simulatePlan(keys);
  const heap = (peakHeapBytes / 2 ** 20).toFixed(0);
  print(keys, plan.shards, planMs.toFixed(0), ((planMs * 1000) / keys).toFixed(1), heap, listPages);
}
print('shards', 'inputs', 'status calls');
for (const shards of [10, 1_000, 10_000]) {
  const { status, calls } = await simulateStatus(shards);
  print(shards, status.counts.total, calls);
}
