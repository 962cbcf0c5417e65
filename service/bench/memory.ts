import { readCpu } from '../../models/cpu.ts';
import { precisionsOf } from './engine.ts';
import { load } from './load.ts';
import { startServer } from './running-server.ts';
import { megabytes, printTable } from './table.ts';

const CLIENTS = 8;
/** Predictions after which memory is read. */
const LOOKS = [1000, 3000];
const EXPLANATIONS = 100;

/** Memory of a server under load, in int8 where this CPU runs it. */
export async function benchMemory(): Promise<void> {
  const precisions = precisionsOf(readCpu()).map(({ precision }) => precision);
  const precision = precisions.includes('int8') ? 'int8' : 'float32';
  const server = await startServer(precision);
  const rows = [['ready', megabytes(await server.resident())]];
  let done = 0;
  for (const look of LOOKS) {
    const wanted = look - done;
    await load(server.url, CLIENTS, (_elapsed, sent) => sent < wanted);
    done = look;
    rows.push([`${look} predictions`, megabytes(await server.resident())]);
  }
  await load(server.url, CLIENTS, (_elapsed, sent) => sent < EXPLANATIONS, '/explain');
  rows.push([`and ${EXPLANATIONS} explanations`, megabytes(await server.resident())]);
  server.child.kill();
  printTable(`Resident memory of the server, ${precision}, ${CLIENTS} clients`, ['after', 'memory'], rows);
}
