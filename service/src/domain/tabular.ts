import type { Precision } from './precision.ts';
import type { Task } from './task.ts';

/** One column that a tabular model takes. */
export interface FeatureInfo {
  readonly name: string;
  readonly type: 'number' | 'integer' | 'category';
  readonly categories?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** What GET /models says of a loaded tabular model. */
export interface TabularModelInfo {
  readonly name: string;
  readonly version: string;
  readonly task: Exclude<Task, 'image-classification'>;
  readonly description: string;
  readonly licence: string;
  readonly engine: string;
  readonly precision: Precision;
  readonly degraded?: string;
  readonly ready: boolean;
  readonly input: { readonly features: readonly FeatureInfo[] };
  /** Label of each class; empty for a regression. */
  readonly labels: readonly string[];
  /** What a regression predicts. */
  readonly target?: string;
  readonly metrics: Readonly<Record<string, number | string>>;
}

/** The likeliest class of one row, and the probability of each. */
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

/** What a tabular model says of some rows: one prediction a row, in their order. */
export interface TabularPrediction {
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly RowPrediction[];
  /** Milliseconds: checking the rows, waiting for the engine, in the engine. */
  readonly timing: { readonly decodeMs: number; readonly queueMs: number; readonly inferenceMs: number };
}

/** What stands in the place of a row that cannot be answered. */
export interface RowError {
  readonly error: { readonly code: string; readonly message: string };
}

/** As TabularPrediction, with an error in the place of each row that does not fit. */
export interface TableResult extends Omit<TabularPrediction, 'predictions'> {
  readonly predictions: readonly (RowPrediction | RowError)[];
}

/** A row as it comes: its values in the order of the features, or by their names. */
export type Row = readonly unknown[] | Readonly<Record<string, unknown>>;

/**
 * The one way to get predictions for rows. Throws AppError INVALID_REQUEST with `at: { row, column }` (rows count from 1)
 * when a row does not fit, OVERLOADED, ENGINE_FAILED, REQUEST_CANCELLED as a Classifier does.
 */
export interface TabularModel {
  readonly info: TabularModelInfo;
  predict(rows: readonly Row[], options?: { readonly signal?: AbortSignal }): Promise<TabularPrediction>;
  /**
   * The rows of a CSV text; `contentType` may say `header=present` or `header=absent`. Throws INVALID_REQUEST for malformed
   * CSV and for a header that does not fit, PAYLOAD_TOO_LARGE for more rows than a request may have.
   */
  readCsv(text: string, contentType?: string): readonly Row[];
  /** As `predict`, but a row that does not fit, or is an error already, gets an error in its place instead of ending it all. */
  predictEach(
    rows: readonly (Row | RowError)[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<TableResult>;
  /**
   * A file of rows, of any number of them: JSON Lines when it begins with `{` or `[`, else CSV. One prediction or error a
   * row, in their order. Throws INVALID_REQUEST for a file that holds no rows, or whose header does not fit.
   */
  predictFile(file: Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<TableResult>;
  /** Finishes what was accepted, then frees the engine. */
  close(): Promise<void>;
}
