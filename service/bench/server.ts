import { readCpu } from '../../models/cpu.ts';
import { type EngineCosts, precisionsOf } from './engine.ts';
import { limitOf } from './limit.ts';
import { load } from './load.ts';
import { startServer } from './running-server.ts';
import { median, megabytes, ms, printTable, ratio } from './table.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
/** The sampling interval, which prom-client's event-loop lag includes. */
const LAG_INTERVAL_MS = 10;
const LAG = 'nodejs_eventloop_lag_max_seconds';

/** Measures POST /predict over a real socket with 1 and 16 clients, for each precision. */
export async function benchServer(engines: EngineCosts, decodeMs: number): Promise<void> {
  const rows: string[][] = [];
  const inTime = (elapsedMs: number) => elapsedMs < SECONDS * 1000;
  for (const { precision, variant } of precisionsOf(readCpu())) {
    const server = await startServer(precision);
    const rss = await server.resident();
    await load(server.url, 1, (elapsedMs) => elapsedMs < 2000);
    const one = await load(server.url, 1, inTime);
    const inner = one.timings.map((timing) => timing.decodeMs + timing.inferenceMs);
    await load(server.url, 16, (elapsedMs) => elapsedMs < 1000);
    // Reading the metric resets it.
    await server.metric(LAG);
    const many = await load(server.url, 16, inTime);
    const gap = (await server.metric(LAG)) * 1000 - LAG_INTERVAL_MS;
    const limit = limitOf(engines, variant, decodeMs);
    rows.push([
      precision,
      ms(server.readyMs),
      megabytes(rss),
      ms(median(one.latencies)),
      ms(median(one.latencies) - median(inner)),
      `${many.rate.toFixed(1)}/s`,
      `${limit.toFixed(1)}/s`,
      ratio(many.rate / limit),
      ms(many.clientCpuMs),
      ms(gap),
    ]);
    server.child.kill();
  }
  printTable(
    `Server: POST /predict, photographs of 500 x 375, ${SECONDS} s each; the limit is cores / CPU time of inference and decoding (${ms(decodeMs)})`,
    [
      '',
      'ready after',
      'memory then',
      '1 client',
      'of it overhead',
      '16 clients',
      'limit',
      'rate / limit',
      "clients' CPU",
      'event-loop gap',
    ],
    rows,
  );
}
