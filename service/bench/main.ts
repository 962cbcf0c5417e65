import { cpus } from 'node:os';
import { benchEngines } from './engine.ts';
import { benchServer } from './server.ts';

// npm run bench [-- engine server]: everything in one run, as the machines it runs on are never twice the same.
const parts = process.argv.slice(2);
const wanted = (part: string) => parts.length === 0 || parts.includes(part);
process.stdout.write(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} threads, Node ${process.version}\n`,
);
const rates = wanted('engine') || wanted('server') ? await benchEngines() : undefined;
if (rates && wanted('server')) await benchServer(rates);
