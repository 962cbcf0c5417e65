import { load } from './load.ts';
import { startServer } from './running-server.ts';
import { megabytes, printTable } from './table.ts';

const CLIENTS = 8;
/** Predictions after which memory is looked at; the first thousand fill the pools. */
const LOOKS = [1000, 2000, 4000, 6000];

/** Memory of a server that is asked again and again: it must not grow. */
export async function benchMemory(): Promise<void> {
  const server = await startServer('auto');
  await server.warm();
  const rows = [['0', megabytes(await server.resident())]];
  let done = 0;
  for (const look of LOOKS) {
    const wanted = look - done;
    await load(server.url, CLIENTS, (_elapsed, sent) => sent < wanted);
    done = look;
    rows.push([String(look), megabytes(await server.resident())]);
  }
  server.child.kill();
  printTable(`Resident memory of the server, ${CLIENTS} clients`, ['predictions', 'memory'], rows);
}
