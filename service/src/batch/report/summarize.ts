import { type FlatRow, flattenRow, isTable } from '../../domain/flat-rows.ts';
import { parseRows } from '../results/chunks.ts';

/** Inputs shown as the least certain. */
const MAX_UNCERTAIN = 24;
/** Examples per reason of failure. */
const MAX_EXAMPLES = 5;
/** Bounds of what is counted by name, whatever a model calls its classes and versions. */
const MAX_LABELS = 10_000;
const MAX_MODELS = 10;
/** Columns of the histogram of probabilities. */
const BINS = 10;

export interface UncertainRow extends FlatRow {
  readonly probability: number;
}

interface Failure {
  count: number;
  readonly examples: FlatRow[];
}

/** Of a regression. */
interface Values {
  count: number;
  minimum: number;
  maximum: number;
  mean: number;
}

/** What a report says about the rows of a job; its size does not depend on their number. */
export interface RowSummary {
  /** True if an input is a file of rows; then the figures are about rows, not inputs. */
  isTable: boolean;
  /** Rows by their likeliest class. */
  readonly labels: Map<string, number>;
  /** Rows with a class beyond MAX_LABELS. */
  otherLabels: number;
  /** Rows by the probability of their likeliest class: below 0.1, below 0.2, ... */
  readonly bins: number[];
  readonly values: Values;
  /** By code. */
  readonly failures: Map<string, Failure>;
  /** The least certain first; equal ones in the order of the inputs. */
  readonly uncertain: UncertainRow[];
  /** Name and version. */
  readonly models: Set<string>;
}

/** Reads the rows of a job once. */
export async function summarizeRows(chunks: AsyncIterable<Buffer>): Promise<RowSummary> {
  const summary: RowSummary = {
    isTable: false,
    labels: new Map(),
    otherLabels: 0,
    bins: new Array<number>(BINS).fill(0),
    values: { count: 0, minimum: Number.POSITIVE_INFINITY, maximum: Number.NEGATIVE_INFINITY, mean: 0 },
    failures: new Map(),
    uncertain: [],
    models: new Set(),
  };
  for await (const chunk of chunks) {
    for (const result of parseRows(chunk)) {
      const { model, version, predictions } = result;
      summary.isTable ||= isTable(predictions);
      if (model !== undefined && summary.models.size < MAX_MODELS) summary.models.add(`${model} ${version}`);
      for (const row of flattenRow(result)) addRow(summary, row);
    }
  }
  return summary;
}

function addRow(summary: RowSummary, row: FlatRow): void {
  const { error, label, probability, value } = row;
  if (error) addFailure(summary, row, error.code);
  if (value !== undefined) addValue(summary.values, value);
  if (label === undefined || probability === undefined) return;
  const { labels, bins, uncertain } = summary;
  const count = labels.get(label);
  if (count === undefined && labels.size >= MAX_LABELS) summary.otherLabels += 1;
  else labels.set(label, (count ?? 0) + 1);
  const bin = Math.min(BINS - 1, Math.max(0, Math.floor(probability * BINS)));
  bins[bin] = (bins[bin] ?? 0) + 1;
  insertUncertain(uncertain, { ...row, probability });
}

function addFailure({ failures }: RowSummary, row: FlatRow, code: string): void {
  const failure = failures.get(code) ?? { count: 0, examples: [] };
  failure.count += 1;
  if (failure.examples.length < MAX_EXAMPLES) failure.examples.push(row);
  failures.set(code, failure);
}

function addValue(values: Values, value: number): void {
  values.count += 1;
  values.minimum = Math.min(values.minimum, value);
  values.maximum = Math.max(values.maximum, value);
  values.mean += (value - values.mean) / values.count;
}

function insertUncertain(rows: UncertainRow[], row: UncertainRow): void {
  const last = rows.at(-1);
  if (last && rows.length >= MAX_UNCERTAIN && row.probability >= last.probability) return;
  let place = rows.length;
  while (place > 0 && row.probability < (rows[place - 1]?.probability ?? 0)) place--;
  rows.splice(place, 0, row);
  if (rows.length > MAX_UNCERTAIN) rows.pop();
}
