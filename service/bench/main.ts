import { cpus } from 'node:os';
import { benchBatch } from './batch.ts';
import { benchEngines } from './engine.ts';
import { benchServer } from './server.ts';

// npm run bench [-- engine server batch]: everything in one run, as the machines it runs on are never twice the same.
const parts = process.argv.slice(2);
const wanted = (part: string) => parts.length === 0 || parts.includes(part);
process.stdout.write(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} threads, Node ${process.version}\n`,
);
// The other parts are measured against the engine's own best rate of the same run.
const rates = await benchEngines();
if (wanted('server')) await benchServer(rates);
if (wanted('batch')) await benchBatch(rates);
