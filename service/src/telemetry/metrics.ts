import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Models } from '../domain/classifier.ts';
import { ERROR_CODES } from '../domain/errors.ts';
import { ITEM_FAULTS } from '../domain/job/job.ts';
import type { Classification } from '../domain/prediction.ts';

/** What happened to a job in this process. */
const JOB_EVENTS = ['submitted', 'succeeded', 'failed', 'cancelled'] as const;
type JobEvent = (typeof JOB_EVENTS)[number];

/** Number of rows by `OK` or by the code of their error. */
type RowCounts = Readonly<Record<string, number>>;

/** The stage times of one image, or of one request of rows. */
export type Observation = Pick<Classification, 'model' | 'timing'>;

/** Metrics of models and jobs, in their own registry. http/plugins/metrics.ts adds those of requests. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts one image, or one request of rows. */
  observe(result: Observation): void;
  /** Counts one batch of the engine. @param size images or rows */
  batch(model: string, size: number): void;
  job(event: JobEvent): void;
  rows(counts: RowCounts): void;
  /** Calls `listener` with every observation from now on. */
  onObserve(listener: (result: Observation) => void): void;
  /** Sets the models whose state the gauges show. */
  watch(models: Models): void;
}

/** Buckets in seconds: dense around the time of one image on one CPU. */
export const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Buckets in images; MAX_BATCH is at most 128. */
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128];

const CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/** Labels are bounded: loaded models, the codes of domain/errors.ts, and `other` for the rest. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const listeners: ((result: Observation) => void)[] = [];
  let watched: Models | undefined;
  const stages = new Histogram({
    name: 'classification_stage_seconds',
    help: 'Time of one image in each stage: decode, queue, inference',
    labelNames: ['model', 'stage'] as const,
    buckets: SECONDS,
    registers,
  });
  const batches = new Histogram({
    name: 'inference_batch_size',
    help: 'Images per batch of the engine',
    labelNames: ['model'] as const,
    buckets: SIZES,
    registers,
  });
  const jobs = new Counter({
    name: 'batch_jobs_total',
    help: 'Batch jobs that this process submitted, and ends of the jobs that its workers ran',
    labelNames: ['event'] as const,
    registers,
  });
  const rows = new Counter({
    name: 'batch_rows_total',
    help: 'Rows that the workers of this process wrote, by OK or the code of their error',
    labelNames: ['code'] as const,
    registers,
  });
  // Prometheus sees an increase only if the series already existed with 0.
  for (const event of JOB_EVENTS) jobs.inc({ event }, 0);
  for (const code of ['OK', ...ITEM_FAULTS]) rows.inc({ code }, 0);
  new Gauge({
    name: 'classification_queue_depth',
    help: 'Images waiting for decoding or inference',
    labelNames: ['model'] as const,
    registers,
    collect() {
      this.reset();
      for (const [model, waiting] of depths(watched)) this.set({ model }, waiting);
    },
  });
  new Gauge({
    name: 'model_degraded',
    help: '1 if a slower engine (WebAssembly) serves a model that is meant for TensorFlow',
    labelNames: ['model'] as const,
    registers,
    collect() {
      this.reset();
      for (const { name, degraded } of watched?.list() ?? []) {
        this.set({ model: name }, degraded === undefined ? 0 : 1);
      }
    },
  });
  new Gauge({
    name: 'models_ready',
    help: '1 if every model is loaded and warmed up',
    registers,
    collect() {
      this.set(watched?.ready ? 1 : 0);
    },
  });
  return {
    registry,
    observe(result) {
      const { model, timing } = result;
      stages.observe({ model, stage: 'decode' }, timing.decodeMs / 1000);
      stages.observe({ model, stage: 'queue' }, timing.queueMs / 1000);
      stages.observe({ model, stage: 'inference' }, timing.inferenceMs / 1000);
      for (const listener of listeners) listener(result);
    },
    batch: (model, size) => batches.observe({ model }, size),
    job: (event) => jobs.inc({ event }),
    rows(counts) {
      for (const [code, count] of Object.entries(counts)) {
        if (count > 0) rows.inc({ code: code === 'OK' || CODES.has(code) ? code : 'other' }, count);
      }
    },
    onObserve: (listener) => void listeners.push(listener),
    watch(models) {
      watched = models;
    },
  };
}

function depths(models: Models | undefined): readonly (readonly [string, number])[] {
  if (!models) return [];
  if (models.queueDepths) return Object.entries(models.queueDepths);
  return [[models.list()[0]?.name ?? 'default', models.queueDepth ?? 0]];
}
