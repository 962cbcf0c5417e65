import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { residentMemory } from './subject.ts';

const SERVER = resolve('dist', 'bundle', 'server.js');

export interface RunningServer {
  readonly child: ChildProcess;
  readonly url: string;
  /** Milliseconds from the start of the process to "ready". */
  readonly readyMs: number;
  /** Resident memory of the process, in bytes. */
  resident(): Promise<number>;
  /** The value of a metric without labels. */
  metric(name: string): Promise<number>;
}

export async function startServer(precision: string): Promise<RunningServer> {
  const started = performance.now();
  const env = {
    ...process.env,
    PORT: '0',
    HOST: '127.0.0.1',
    PRECISION: precision,
    DROP: 'off',
    TF_CPP_MIN_LOG_LEVEL: '2',
    LOG_LEVEL: 'info',
  };
  const child = spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, url } = JSON.parse(line);
    if (msg !== 'ready') continue;
    child.stdout.resume();
    const readyMs = performance.now() - started;
    return { child, url, readyMs, ...probes(child, url) };
  }
  throw new Error('the server ended before it was ready');
}

function probes(child: ChildProcess, url: string) {
  return {
    resident: () => residentMemory(child),
    async metric(name: string) {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
    },
  };
}
