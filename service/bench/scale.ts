/**
 * How planning and status grow with the number of keys: 10^3 to 10^6 of them from a simulated listing, pages of 1,000,
 * into a real folder. Run: node dist/service/bench/scale.js
 */
import { simulateScale } from './scale-simulation.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const heading = ['keys', 'shards', 'plan ms', 'us a key', 'peak heap MiB', 'list calls', 'status calls'];
console.log(heading.map((name) => name.padStart(14)).join(''));
for (const keys of SIZES) {
  const run = await simulateScale(keys);
  const row = [
    keys,
    run.shards,
    run.planMs.toFixed(0),
    ((run.planMs * 1000) / keys).toFixed(1),
    (run.peakHeapBytes / 2 ** 20).toFixed(0),
    run.listPages,
    run.statusCalls,
  ];
  console.log(row.map((value) => String(value).padStart(14)).join(''));
}
