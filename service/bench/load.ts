import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import sharp from 'sharp';
import { defaultModelsDir } from '../../models/folders.ts';
import type { Classification } from '../src/domain/prediction.ts';

const SAMPLES = ['traffic-light', 'balloon', 'crossword', 'pumpkin'];

/** The sample pictures as photographs of a usual size, 500 x 375; their hues differ. */
export async function photographs(count: number): Promise<Buffer[]> {
  const folder = join(defaultModelsDir(), 'resnet50', 'samples');
  const sources = await Promise.all(SAMPLES.map((name) => readFile(join(folder, `${name}.jpg`))));
  const photograph = (index: number) =>
    sharp(sources[index % sources.length])
      .resize(500, 375, { fit: 'cover' })
      .modulate({ hue: index % 360 })
      .jpeg({ quality: 80 })
      .toBuffer();
  const made: Buffer[] = [];
  for (let index = 0; index < count; index++) made.push(await photograph(index));
  return made;
}

export interface Load {
  readonly latencies: number[];
  readonly timings: Classification['timing'][];
  /** Answers per second. */
  readonly rate: number;
  /** CPU time of the clients per answer, in milliseconds; the server lacks it. */
  readonly clientCpuMs: number;
}

/** Runs a closed loop while `wanted` is true: each client sends its next picture after its answer. */
export async function load(
  url: string,
  clients: number,
  wanted: (elapsedMs: number, sent: number) => boolean,
  path: '/predict' | '/explain' = '/predict',
): Promise<Load> {
  const bodies = await photographs(SAMPLES.length);
  const agent = new Agent({ keepAlive: true });
  const timings: Load['timings'] = [];
  const latencies: number[] = [];
  let sent = 0;
  const started = performance.now();
  const cpu = process.cpuUsage();
  const client = async () => {
    while (wanted(performance.now() - started, sent)) {
      const since = performance.now();
      const answer = await post(agent, `${url}${path}`, bodies[sent++ % bodies.length] as Buffer);
      latencies.push(performance.now() - since);
      if (answer.status !== 200) throw new Error(`POST ${path} answered ${answer.status}`);
      timings.push((JSON.parse(answer.body) as Classification).timing);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const rate = (latencies.length / (performance.now() - started)) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  agent.destroy();
  return { latencies, timings, rate, clientCpuMs: (user + system) / 1000 / latencies.length };
}

/** Uses node:http, because fetch takes 1 ms more of the measured CPUs. */
function post(agent: Agent, url: string, picture: Buffer): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'image/jpeg', 'content-length': picture.length };
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    sent.on('error', reject).end(picture);
  });
}
