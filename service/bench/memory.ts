import { readCpu } from '../../models/cpu.ts';
import { precisionsOf } from './engine.ts';
import { load } from './load.ts';
import { startServer } from './running-server.ts';
import { megabytes, printTable } from './table.ts';

const CLIENTS = 8;
/** Numbers of predictions after which memory is read. */
const CHECKPOINTS = [1000, 3000];
const EXPLANATIONS = 100;

/** Measures the memory of a server under load, in int8 if this CPU runs it. */
export async function benchMemory(): Promise<void> {
  const precisions = precisionsOf(readCpu()).map(({ precision }) => precision);
  const precision = precisions.includes('int8') ? 'int8' : 'float32';
  const server = await startServer(precision);
  const rows = [['ready', megabytes(await server.resident())]];
  let done = 0;
  for (const checkpoint of CHECKPOINTS) {
    const wanted = checkpoint - done;
    await load(server.url, CLIENTS, (_elapsed, sent) => sent < wanted);
    done = checkpoint;
    rows.push([`${checkpoint} predictions`, megabytes(await server.resident())]);
  }
  await load(server.url, CLIENTS, (_elapsed, sent) => sent < EXPLANATIONS, '/explain');
  rows.push([`and ${EXPLANATIONS} explanations`, megabytes(await server.resident())]);
  server.child.kill();
  printTable(`Resident memory of the server, ${precision}, ${CLIENTS} clients`, ['after', 'memory'], rows);
}
