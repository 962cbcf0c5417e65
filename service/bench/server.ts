import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { defaultModelsDir } from '../../models/folders.ts';
import { nativePrecision } from '../src/inference/engines/select.ts';
import type { EngineRates } from './engine.ts';
import { median, megabytes, ms, printTable, ratio } from './table.ts';

const SERVER = fileURLToPath(new URL('../src/server.js', import.meta.url));
const SAMPLES = ['traffic-light', 'balloon', 'crossword', 'pumpkin'];
const SECONDS = 10;

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  /** Milliseconds from the start of the process to "ready". */
  readonly readyMs: number;
}

async function start(precision: string): Promise<Running> {
  const started = performance.now();
  const env = {
    ...process.env,
    PORT: '0',
    HOST: '127.0.0.1',
    PRECISION: precision,
    TF_CPP_MIN_LOG_LEVEL: '2',
    LOG_LEVEL: 'info',
  };
  const child = spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, url } = JSON.parse(line);
    if (msg !== 'ready') continue;
    child.stdout.resume();
    return { child, url, readyMs: performance.now() - started };
  }
  throw new Error('the server ended before it was ready');
}

interface Load {
  readonly latencies: number[];
  readonly timings: { decodeMs: number; queueMs: number; inferenceMs: number }[];
  readonly rate: number;
}

/** A closed loop: each client sends its next picture when it has its answer. */
async function load(url: string, clients: number): Promise<Load> {
  const folder = join(defaultModelsDir(), 'resnet50', 'samples');
  const pictures = await Promise.all(SAMPLES.map((name) => readFile(join(folder, `${name}.jpg`))));
  const timings: Load['timings'] = [];
  const latencies: number[] = [];
  const started = performance.now();
  const deadline = started + SECONDS * 1000;
  const client = async (_: unknown, offset: number) => {
    for (let turn = offset; performance.now() < deadline; turn++) {
      const sent = performance.now();
      const body = pictures[turn % pictures.length] as Buffer<ArrayBuffer>;
      const response = await fetch(`${url}/predict`, {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body,
      });
      const { timing } = (await response.json()) as { timing: Load['timings'][number] };
      if (!response.ok) throw new Error(`POST /predict answered ${response.status}`);
      latencies.push(performance.now() - sent);
      timings.push(timing);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { latencies, timings, rate: (latencies.length / (performance.now() - started)) * 1000 };
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

const resident = async (pid: number | undefined) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

async function stage(url: string): Promise<string> {
  const { models } = (await (await fetch(`${url}/models`)).json()) as { models: { stage: string }[] };
  return models[0]?.stage ?? '';
}

/** POST /predict over a real socket with 1 and 16 clients, beside the engine's own best rate from the same run. */
export async function benchServer({ best }: EngineRates): Promise<void> {
  const precisions = nativePrecision() === 'bfloat16' ? ['float32', 'bfloat16'] : ['float32'];
  const rows: string[][] = [];
  const starts: string[][] = [];
  for (const precision of precisions) {
    const { child, url, readyMs } = await start(precision);
    const early = await resident(child.pid);
    while ((await stage(url)) === 'inputs') await new Promise((resolve) => setTimeout(resolve, 250));
    await load(url, 1);
    for (const clients of [1, 16]) {
      await metric(url, 'nodejs_eventloop_lag_max_seconds');
      const result = await load(url, clients);
      const lag = await metric(url, 'nodejs_eventloop_lag_max_seconds');
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
        ms(lag * 1000),
      ]);
    }
    starts.push([precision, ms(readyMs), megabytes(early), megabytes(await resident(child.pid))]);
    child.kill();
  }
  printTable(
    `POST /predict, ${SECONDS} s each`,
    ['', 'median', 'of it not decode or inference', 'rate', "of the engine's best", 'longest event-loop gap'],
    rows,
  );
  printTable('Whole server', ['', 'ready after', 'memory then', 'memory at the end'], starts);
}
