import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ImageInput } from '../../models/manifest.ts';
import type { Opened, Times } from './subject-messages.ts';
import { median } from './table.ts';

const CHILD = fileURLToPath(new URL('./engine-child.js', import.meta.url));

/** By batch size, the number of batches that a round times. */
const RUNS = { 1: 8, 8: 3, 16: 2 } as const;
export const SIZES = Object.keys(RUNS).map(Number);
/** BENCH_ROUNDS. */
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7);

/** How to start an engine under test. */
export interface Command {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** The medians of one engine. */
export interface Result {
  readonly name: string;
  /** Milliseconds per image, by batch size. */
  readonly perImage: ReadonlyMap<number, number>;
  /** CPU milliseconds per image, by batch size. */
  readonly cpuPerImage: ReadonlyMap<number, number>;
  /** Milliseconds from the start of the process to its first correct answer. */
  readonly startMs: number;
  /** Resident memory then, in bytes. */
  readonly rss: number;
}

/** The command for an engine in Node. @param pixels file of the picture, uint8 RGB */
export const nodeCommand = (
  name: string,
  kind: 'compiled' | 'layers' | 'onnx',
  path: string,
  { pixels, input }: { readonly pixels: string; readonly input: ImageInput },
  environment: Readonly<Record<string, string>> = {},
): Command => ({
  name,
  program: process.execPath,
  args: [CHILD, kind, path, pixels, JSON.stringify(input)],
  environment,
});

interface Subject {
  readonly name: string;
  readonly startMs: number;
  readonly rss: number;
  readonly perImage: Map<number, number[]>;
  readonly cpuPerImage: Map<number, number[]>;
  time(size: number, runs: number): Promise<Times>;
  end(): void;
}

/**
 * Times all engines in turn, round by round, so that noise affects all of them.
 *
 * @param expected class of the picture
 * @throws Error if an engine ends or answers another class
 */
export async function measure(commands: readonly Command[], expected: number): Promise<Result[]> {
  const subjects: Subject[] = [];
  try {
    for (const command of commands) subjects.push(await start(command, expected));
    for (let round = 0; round < ROUNDS; round++) {
      for (const subject of subjects) {
        for (const [key, runs] of Object.entries(RUNS)) await timeBatches(subject, Number(key), runs);
      }
    }
  } finally {
    for (const subject of subjects) subject.end();
  }
  return subjects.map(({ name, startMs, rss, perImage, cpuPerImage }) => ({
    name,
    startMs,
    rss,
    perImage: medians(perImage),
    cpuPerImage: medians(cpuPerImage),
  }));
}

const medians = (values: ReadonlyMap<number, readonly number[]>) =>
  new Map([...values].map(([size, each]) => [size, median(each)]));

async function timeBatches({ time, perImage, cpuPerImage }: Subject, size: number, runs: number) {
  const { milliseconds, cpuMs } = await time(size, runs);
  perImage.set(size, [...(perImage.get(size) ?? []), ...milliseconds.map((value) => value / size)]);
  cpuPerImage.set(size, [...(cpuPerImage.get(size) ?? []), cpuMs / size / runs]);
}

async function start({ name, program, args, environment }: Command, expected: number): Promise<Subject> {
  const started = performance.now();
  const env = { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2', ...environment };
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name}: the process ended`);
    return JSON.parse(value) as T;
  };
  const { index } = await next<Opened>();
  const startMs = performance.now() - started;
  if (index !== expected) throw new Error(`${name}: class ${index} instead of ${expected}`);
  return {
    name,
    startMs,
    rss: await residentMemory(child),
    perImage: new Map(),
    cpuPerImage: new Map(),
    time(size, runs) {
      child.stdin.write(`${JSON.stringify({ size, runs })}\n`);
      return next<Times>();
    },
    end: () => child.kill(),
  };
}

/** Resident memory of the process, in bytes. */
export async function residentMemory({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
