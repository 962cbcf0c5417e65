import { performance } from 'node:perf_hooks';
import type { TabularManifest } from '../../../../models/manifest.ts';
import { AppError, isAppError } from '../../domain/errors.ts';
import { readJsonLines } from '../../domain/json-lines.ts';
import { roundMs } from '../../domain/prediction.ts';
import type { Row, RowError, RowPrediction, TableResult, TabularModel } from '../../domain/tabular.ts';
import { NO_TRACING, type Tracing } from '../../telemetry/tracing.ts';
import type { Engine } from '../engines/engine.ts';
import type { Hooks } from '../hooks.ts';
import { commonInfo } from '../model-info.ts';
import { createAdmission } from '../queueing/admission.ts';
import { throwIfCancelled } from '../queueing/cancellation.ts';
import { readCsvRows } from './csv-rows.ts';
import { createRowPredictor } from './predictions.ts';
import { createRowReader } from './rows.ts';

export interface TabularOptions {
  readonly manifest: TabularManifest;
  /** One label per class; empty for a regression. */
  readonly labels: readonly string[];
  readonly engine: Engine<Float32Array<ArrayBuffer>>;
  readonly hooks: Hooks;
  /** Largest number of rows in a request. */
  readonly maxRows: number;
  /** Largest number of requests at a time. */
  readonly maxQueue: number;
  /** Records the stages of each request; off if absent. */
  readonly tracing?: Tracing;
}

/** Rows per call of the engine: enough to keep it busy, few enough that other requests are not delayed. */
const BLOCK = 1024;

/** Rows that are valid, and an error for each that is not. */
interface CheckedRows {
  /** float32, shape [count, features]. */
  readonly matrix: Float32Array;
  readonly count: number;
  /** By row; undefined for a valid one. Absent if all are valid. */
  readonly errors?: readonly (RowError | undefined)[];
}

/** rows -> check -> infer -> class and probabilities, or a value. */
export function createTabularModel(options: TabularOptions): TabularModel & { readonly waiting: number } {
  const { manifest, labels, engine, hooks, maxRows, maxQueue, tracing = NO_TRACING } = options;
  const { features } = manifest.input;
  const { name: model, version, output } = manifest;
  const width = 'classes' in output ? output.classes : 1;
  const readRows = createRowReader(features);
  const toRowPrediction = createRowPredictor(output, labels);
  const admission = createAdmission({ maxQueue, waiting: (accepted) => accepted, what: 'requests' });

  async function checkAll(rows: readonly Row[]): Promise<CheckedRows> {
    const given = await hooks.preprocess(rows);
    if (given.length === 0) throw new AppError('INVALID_REQUEST', 'there are no rows; send at least one');
    if (given.length > maxRows) {
      throw new AppError('PAYLOAD_TOO_LARGE', `${given.length} rows are more than ${maxRows}; send fewer`);
    }
    return { matrix: readRows(given), count: given.length };
  }

  async function splitValidRows(rows: readonly (Row | RowError)[]): Promise<CheckedRows> {
    const parts: Float32Array[] = [];
    const errors = (await hooks.preprocess(rows)).map((row, index): RowError | undefined => {
      if (isRowError(row)) return row;
      try {
        parts.push(readRows([row], index + 1));
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

  /** Infers all blocks of a request in one span: rows of different requests are never inferred together. */
  function infer({ matrix, count }: CheckedRows, signal: AbortSignal | undefined): Promise<RowPrediction[]> {
    const attributes = { 'model.name': model, 'batch.size': count };
    return tracing.span('inference', { attributes }, async () => {
      const predictions: RowPrediction[] = [];
      for (let from = 0; from < count; from += BLOCK) {
        throwIfCancelled(signal);
        const size = Math.min(BLOCK, count - from);
        // A copy, because the engine takes the buffer.
        const block = matrix.slice(from * features.length, (from + size) * features.length);
        const outputs = await engine.infer(block, size);
        for (let row = 0; row < size; row++) {
          predictions.push(toRowPrediction(outputs.subarray(row * width, (row + 1) * width)));
        }
      }
      return predictions;
    });
  }

  /** @param check splits the request's rows; its time counts as `decodeMs` */
  async function answer(check: () => Promise<CheckedRows>, signal: AbortSignal | undefined) {
    const started = performance.now();
    const checked = await tracing.span('decode', {}, check);
    const decoded = performance.now();
    const predictions = await hooks.postprocess(await infer(checked, signal));
    const timing = {
      decodeMs: roundMs(decoded - started),
      queueMs: 0,
      inferenceMs: roundMs(performance.now() - decoded),
    };
    return { checked, result: { model, version, predictions, timing } };
  }

  async function answerEach(
    rows: readonly (Row | RowError)[],
    signal: AbortSignal | undefined,
  ): Promise<TableResult> {
    const { checked, result } = await answer(() => splitValidRows(rows), signal);
    const { count, errors = [] } = checked;
    const { predictions } = result;
    if (predictions.length !== count) {
      throw new AppError('INTERNAL', `the model's postprocess hook must return ${count} predictions`);
    }
    let next = 0;
    return {
      ...result,
      predictions: errors.map((error) => error ?? (predictions[next++] as RowPrediction)),
    };
  }

  return {
    get info() {
      const target = 'target' in output ? { target: output.target } : {};
      const { task } = manifest;
      return { ...commonInfo(manifest, labels, engine), task, input: { features }, ...target };
    },
    get waiting() {
      return admission.waiting;
    },
    readCsv: (text, contentType) => readCsvRows(text, contentType, features, maxRows),
    predict: (rows, { signal } = {}) =>
      admission.admit(async () => (await answer(() => checkAll(rows), signal)).result),
    predictEach: (rows, { signal } = {}) => admission.admit(() => answerEach(rows, signal)),
    predictFile: (file, { signal } = {}) =>
      admission.admit(async () => {
        const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('utf8');
        const isJson = /^\ufeff?\s*[{[]/.test(text);
        const rows = isJson ? readJsonLines(text) : readCsvRows(text, undefined, features);
        if (rows.length === 0) throw new AppError('INVALID_REQUEST', 'the file has no rows');
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
