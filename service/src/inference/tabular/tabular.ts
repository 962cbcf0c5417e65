import { performance } from 'node:perf_hooks';
import type { TabularManifest } from '../../../../models/manifest.ts';
import { AppError, isAppError } from '../../domain/errors.ts';
import { readJsonLines } from '../../domain/json-lines.ts';
import { roundProbability } from '../../domain/prediction.ts';
import type {
  Row,
  RowError,
  RowPrediction,
  TableResult,
  TabularModel,
  TabularModelInfo,
} from '../../domain/tabular.ts';
import { NO_TRACING, type Tracing } from '../../telemetry/tracing.ts';
import type { Engine } from '../engines/engine.ts';
import type { Hooks } from '../hooks.ts';
import { softmax } from '../image/softmax.ts';
import { createAdmission } from '../queueing/admission.ts';
import { readCsvRows } from './csv-rows.ts';
import { createRowReader } from './rows.ts';

export interface TabularOptions {
  readonly manifest: TabularManifest;
  /** One label a class; empty for a regression. */
  readonly labels: readonly string[];
  readonly engine: Engine<Float32Array<ArrayBuffer>>;
  readonly hooks: Hooks;
  /** Most rows of one request. */
  readonly maxRows: number;
  /** Most requests at a time. */
  readonly maxQueue: number;
  /** Told of the stages of each request; off when absent. */
  readonly tracing?: Tracing;
}

/** Rows handed to the engine at once: enough to keep it busy, few enough that others get their turn. */
const BLOCK = 1024;

/** rows -> check -> infer -> class and probabilities, or a value. */
export function createTabularModel(options: TabularOptions): TabularModel & { readonly waiting: number } {
  const { manifest, labels, engine, hooks, maxRows, maxQueue, tracing = NO_TRACING } = options;
  const { features } = manifest.input;
  const { name: model, version, output } = manifest;
  const width = 'classes' in output ? output.classes : 1;
  const read = createRowReader(features);
  const predictionOf = 'classes' in output ? classOf(labels, output.activation) : regressionValue;
  const admission = createAdmission({ maxQueue, waiting: (accepted) => accepted, what: 'requests' });

  /** One span for all blocks of a request: rows of different requests are never inferred together. */
  function infer(matrix: Float32Array, count: number, signal: AbortSignal | undefined) {
    const attributes = { 'model.name': model, 'batch.size': count };
    return tracing.span('inference', { attributes }, () => inferBlocks(matrix, count, signal));
  }

  async function inferBlocks(matrix: Float32Array, count: number, signal: AbortSignal | undefined) {
    const predictions: RowPrediction[] = [];
    for (let from = 0; from < count; from += BLOCK) {
      if (signal?.aborted) {
        throw new AppError('REQUEST_CANCELLED', 'nobody waits for the answer any more');
      }
      const size = Math.min(BLOCK, count - from);
      const block = matrix.slice(from * features.length, (from + size) * features.length);
      const answers = await engine.infer(block, size);
      for (let row = 0; row < size; row++) {
        predictions.push(predictionOf(answers.subarray(row * width, (row + 1) * width)));
      }
    }
    return predictions;
  }

  /** All rows as one matrix, or the fault of the first that does not fit. */
  async function check(rows: readonly Row[]) {
    const given = await hooks.preprocess(rows);
    if (given.length === 0) throw new AppError('INVALID_REQUEST', 'there are no rows; send at least one');
    if (given.length > maxRows) {
      throw new AppError('PAYLOAD_TOO_LARGE', `${given.length} rows are more than ${maxRows}; send fewer`);
    }
    return { matrix: read(given), count: given.length };
  }

  async function answer(rows: readonly Row[], signal: AbortSignal | undefined) {
    const started = performance.now();
    const { matrix, count } = await tracing.span('decode', {}, () => check(rows));
    const checked = performance.now();
    const inferred = await infer(matrix, count, signal);
    const inferenceMs = round(performance.now() - checked);
    const predictions = await hooks.postprocess(inferred);
    return {
      model,
      version,
      predictions,
      timing: { decodeMs: round(checked - started), queueMs: 0, inferenceMs },
    };
  }

  /** The rows that fit, as one matrix, and an error for each other. */
  function sift(rows: readonly (Row | RowError)[]) {
    const parts: Float32Array[] = [];
    const errors = rows.map((row, index): RowError | undefined => {
      if (isRowError(row)) return row;
      try {
        parts.push(read([row], index + 1));
        return undefined;
      } catch (error) {
        if (!isAppError(error, 'INVALID_REQUEST')) throw error;
        return { error: { code: error.code, message: error.message } };
      }
    });
    const matrix = new Float32Array(parts.length * features.length);
    parts.forEach((part, index) => {
      matrix.set(part, index * features.length);
    });
    return { matrix, count: parts.length, errors };
  }

  async function answerEach(
    rows: readonly (Row | RowError)[],
    signal: AbortSignal | undefined,
  ): Promise<TableResult> {
    const started = performance.now();
    const sifted = await tracing.span('decode', {}, async () => sift(await hooks.preprocess(rows)));
    const { matrix, count, errors } = sifted;
    const checked = performance.now();
    const good = await hooks.postprocess(await infer(matrix, count, signal));
    if (good.length !== count) {
      throw new AppError('INTERNAL', `the model's postprocess hook must return ${count} predictions`);
    }
    const inferenceMs = round(performance.now() - checked);
    let next = 0;
    return {
      model,
      version,
      predictions: errors.map((error) => error ?? (good[next++] as RowPrediction)),
      timing: { decodeMs: round(checked - started), queueMs: 0, inferenceMs },
    };
  }

  return {
    get info() {
      return describe(manifest, labels, engine);
    },
    get waiting() {
      return admission.waiting;
    },
    readCsv: (text, contentType) => readCsvRows(text, contentType, features, maxRows),
    predict: (rows, { signal } = {}) => admission.admit(() => answer(rows, signal)),
    predictEach: (rows, { signal } = {}) => admission.admit(() => answerEach(rows, signal)),
    predictFile: (file, { signal } = {}) =>
      admission.admit(async () => {
        const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('utf8');
        const isJson = /^\ufeff?\s*[{[]/.test(text);
        const rows = isJson ? readJsonLines(text) : readCsvRows(text, undefined, features);
        if (rows.length === 0) throw new AppError('INVALID_REQUEST', 'the file holds no rows');
        return answerEach(rows, signal);
      }),
    async close() {
      await admission.close();
      await engine.close();
    },
  };
}

const isRowError = (row: Row | RowError): row is RowError =>
  typeof row === 'object' && row !== null && 'error' in row && !Array.isArray(row);

function classOf(labels: readonly string[], activation: 'softmax' | 'logits') {
  return (answer: Float32Array): RowPrediction => {
    const shares = activation === 'logits' ? softmax(answer) : answer;
    const index = shares.indexOf(shares.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY));
    return {
      label: labels[index] ?? `class_${index}`,
      index,
      probability: roundProbability(shares[index] ?? 0),
      probabilities: Object.fromEntries(
        labels.map((label, place) => [label, roundProbability(shares[place] ?? 0)]),
      ),
    };
  };
}

/** Seven significant digits: what float32 holds. */
const regressionValue = (answer: Float32Array): RowPrediction => ({
  value: Number((answer[0] ?? 0).toPrecision(7)),
});

function describe(
  manifest: TabularManifest,
  labels: readonly string[],
  engine: Pick<Engine, 'status' | 'ready'>,
): TabularModelInfo {
  const { name, version, task, description, licence, input, output, metrics } = manifest;
  return {
    name,
    version,
    task,
    description,
    licence,
    ...engine.status,
    ready: engine.ready,
    input: { features: input.features },
    labels,
    ...('target' in output ? { target: output.target } : {}),
    metrics,
  };
}

const round = (milliseconds: number) => Math.round(milliseconds * 10) / 10;
