import { cpus } from 'node:os';
import { benchBatch } from './batch.ts';
import { benchEngines } from './engine.ts';
import { benchMemory } from './memory.ts';
import { benchServer } from './server.ts';

// Everything in one run, as the machines it runs on are never twice the same.
const PARTS = ['engine', 'server', 'batch', 'memory'];
const parts = process.argv.slice(2);
const unknown = parts.find((part) => !PARTS.includes(part));
if (unknown !== undefined) {
  process.stderr.write(`usage: npm run bench [-- ${PARTS.join(' ')}]\n`);
  process.exit(unknown === '--help' ? 0 : 64);
}
const wanted = (part: string) => parts.length === 0 || parts.includes(part);
process.stdout.write(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} threads, Node ${process.version}\n`,
);
if (wanted('engine') || wanted('server') || wanted('batch')) {
  // The other parts are measured against the engine's own best rate of the same run.
  const rates = await benchEngines();
  if (wanted('server')) await benchServer(rates);
  if (wanted('batch')) await benchBatch(rates);
}
if (wanted('memory')) await benchMemory();
