import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { until } from './until.ts';

/** A free port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Waits until the program answers HTTP at `url`; fails with its output if it ends or stays silent. */
export async function untilAnswering(url: string, child: ChildProcess, output: () => string): Promise<void> {
  const outcome = await until(`an answer of ${child.spawnfile} at ${url}`, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return 'ended';
    await (await fetch(url)).body?.cancel();
    return 'answers';
  }).catch((error: Error) => error.message);
  if (outcome !== 'answers') throw new Error(`${child.spawnfile}: ${outcome}: ${output()}`);
}
