import { nativePrecision } from '../src/inference/engines/select.ts';
import type { EngineRates } from './engine.ts';
import { load } from './load.ts';
import { startServer } from './running-server.ts';
import { median, megabytes, ms, printTable, ratio } from './table.ts';

const SECONDS = 10;
/** What prom-client's event-loop lag includes though nothing was late: the interval at which it looks. */
const LAG_INTERVAL_MS = 10;

/** POST /predict over a real socket with 1 and 16 clients, beside the engine's own best rate from the same run. */
export async function benchServer({ best }: EngineRates): Promise<void> {
  const precisions = nativePrecision() === 'bfloat16' ? ['float32', 'bfloat16'] : ['float32'];
  const rows: string[][] = [];
  const starts: string[][] = [];
  const inTime = (elapsedMs: number) => elapsedMs < SECONDS * 1000;
  for (const precision of precisions) {
    const server = await startServer(precision);
    const early = await server.resident();
    await server.warm();
    await load(server.url, 1, inTime);
    for (const clients of [1, 16]) {
      await server.metric('nodejs_eventloop_lag_max_seconds');
      const result = await load(server.url, clients, inTime);
      const lag = (await server.metric('nodejs_eventloop_lag_max_seconds')) * 1000 - LAG_INTERVAL_MS;
      const overhead =
        median(result.latencies) -
        median(result.timings.map(({ decodeMs, inferenceMs }) => decodeMs + inferenceMs));
      const engine = best[`${precision}-constants`] ?? Number.NaN;
      rows.push([
        `${precision}, ${clients} client${clients > 1 ? 's' : ''}`,
        ms(median(result.latencies)),
        ms(overhead),
        `${result.rate.toFixed(1)}/s`,
        ratio(result.rate / engine),
        ms(lag),
      ]);
    }
    starts.push([precision, ms(server.readyMs), megabytes(early), megabytes(await server.resident())]);
    server.child.kill();
  }
  printTable(
    `POST /predict, photographs of 500 x 375, ${SECONDS} s each`,
    ['', 'median', 'of it not decode or inference', 'rate', "of the engine's best", 'longest event-loop gap'],
    rows,
  );
  printTable('Whole server', ['', 'ready after', 'memory then', 'memory at the end'], starts);
}
