import { availableParallelism } from 'node:os';
import { describeCpu, readCpu } from '../../models/cpu.ts';
import { benchBatch } from './batch.ts';
import { benchEngines } from './engine.ts';
import { benchIsa } from './isa.ts';
import { decodeCpuMs } from './limit.ts';
import { benchMemory } from './memory.ts';
import { benchServer } from './server.ts';

// All parts in one run, because the speed of a machine varies from hour to hour.
const PARTS = ['engine', 'server', 'batch', 'memory'];
const USAGE = `usage: npm run bench [-- ${[...PARTS, 'isa'].join(' ')}]
  isa               the engine at each instruction set that this CPU has; only if named
environment:
  BENCH_ROUNDS      rounds of the engine part (7)
  BENCH_SECONDS     seconds of each load of the server part (10)
  BENCH_PYTHON      a Python with OpenVINO (python3)
`;
const parts = process.argv.slice(2);
const unknown = parts.find((part) => ![...PARTS, 'isa'].includes(part));
if (unknown !== undefined) {
  process.stderr.write(USAGE);
  process.exit(unknown === '--help' ? 0 : 64);
}
const wanted = (part: string) => parts.length === 0 || parts.includes(part);
process.stdout.write(
  `${describeCpu(readCpu())}, ${availableParallelism()} threads, Node ${process.version}\n`,
);
if (parts.includes('isa')) await benchIsa();
if (wanted('engine') || wanted('server') || wanted('batch')) {
  // The other parts are compared with the engine's CPU time in the same run.
  const engines = await benchEngines();
  const decodeMs = await decodeCpuMs();
  if (wanted('server')) await benchServer(engines, decodeMs);
  if (wanted('batch')) await benchBatch(engines, decodeMs);
}
if (wanted('memory')) await benchMemory();
