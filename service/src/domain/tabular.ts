import type { CommonModelInfo } from './model-info.ts';
import type { Timing } from './prediction.ts';
import type { Task } from './task.ts';

/** One input column of a tabular model. */
export interface FeatureInfo {
  readonly name: string;
  readonly type: 'number' | 'integer' | 'category';
  readonly categories?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A loaded tabular model, as GET /models shows it. */
export interface TabularModelInfo extends CommonModelInfo {
  readonly task: Exclude<Task, 'image-classification'>;
  readonly input: { readonly features: readonly FeatureInfo[] };
  /** What a regression predicts. */
  readonly target?: string;
}

/** The most probable class of one row, and the probability of each. */
export interface RowClass {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
  /** By label, in the order of the model's output; six decimals. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** The number that a regression predicts for one row. */
export interface RowValue {
  readonly value: number;
}

export type RowPrediction = RowClass | RowValue;

/** One prediction per row, in the order of the rows. */
export interface TabularPrediction {
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly RowPrediction[];
  /** `decodeMs` is the time to check the rows. */
  readonly timing: Timing;
}

/** The result of a row that is not valid. */
export interface RowError {
  readonly error: { readonly code: string; readonly message: string };
}

/** As TabularPrediction, with an error for each row that is not valid. */
export interface TableResult extends Omit<TabularPrediction, 'predictions'> {
  readonly predictions: readonly (RowPrediction | RowError)[];
}

/** An unchecked row: values in the order of the features, or by name. */
export type Row = readonly unknown[] | Readonly<Record<string, unknown>>;

/**
 * Predicts rows. Throws AppError INVALID_REQUEST with `at: { row, column }` (rows count from 1) if a row is not valid, and
 * OVERLOADED, ENGINE_FAILED, REQUEST_CANCELLED as a Classifier does.
 */
export interface TabularModel {
  readonly info: TabularModelInfo;
  predict(rows: readonly Row[], options?: { readonly signal?: AbortSignal }): Promise<TabularPrediction>;
  /**
   * Parses CSV; `contentType` may contain `header=present` or `header=absent`. Throws INVALID_REQUEST for malformed CSV and
   * for a header that does not match the features, PAYLOAD_TOO_LARGE for more than MAX_ROWS rows.
   */
  readCsv(text: string, contentType?: string): readonly Row[];
  /** As `predict`, but a row that is not valid, or is an error already, yields an error instead of failing all rows. */
  predictEach(
    rows: readonly (Row | RowError)[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<TableResult>;
  /**
   * Predicts a file of any number of rows: JSON Lines if it begins with `{` or `[`, else CSV. One prediction or error per
   * row, in order. Throws INVALID_REQUEST for a file without rows, or with a header that does not match the features.
   */
  predictFile(file: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<TableResult>;
  /** Stops accepting rows, waits for in-flight requests, then frees the engine. */
  close(): Promise<void>;
}
