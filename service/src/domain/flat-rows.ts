import type { ResultRow } from './job/job.ts';
import type { RowClass, RowError, RowValue } from './tabular.ts';

interface FlatClass {
  readonly label: string;
  /** Absent in table rows, whose classes have no order of their own. */
  readonly index?: number;
  readonly probability: number;
}

/** One line of a table of results: an image, a row of a table file, or an error. */
export interface FlatRow extends Partial<FlatClass> {
  readonly key: string;
  readonly etag?: string | undefined;
  /** The row of a table file, counted from 1. */
  readonly row?: number;
  /** Of a regression. */
  readonly value?: number;
  readonly model?: string | undefined;
  readonly version?: string | undefined;
  readonly error?: { readonly code: string; readonly message: string };
  /** Likeliest first; of a table row, every class of the model. */
  readonly classes?: readonly FlatClass[];
}

/** True for the predictions of a table file: only these have all probabilities, or no class at all. */
export const isTable = (predictions: ResultRow['predictions'] = []): boolean =>
  predictions.some((each) => !('index' in each) || 'probabilities' in each);

/** The lines of one result: one per image or error; of a table file, one per row. */
export function* flattenRow(result: ResultRow): Generator<FlatRow> {
  const { key, etag, model, version, error, predictions = [] } = result;
  const base = { key, etag, model, version };
  if (error) {
    yield { ...base, error };
  } else if (isTable(predictions)) {
    for (const [index, prediction] of predictions.entries()) {
      const classes = classesOf(prediction as Partial<RowClass>);
      yield { ...base, ...(prediction as Partial<RowClass & RowValue & RowError>), row: index + 1, classes };
    }
  } else {
    const classes = predictions as readonly FlatClass[];
    yield { ...base, ...classes[0], classes };
  }
}

function classesOf({ probabilities = {} }: Partial<RowClass>): FlatClass[] {
  return Object.entries(probabilities)
    .map(([label, probability]) => ({ label, probability }))
    .sort((a, b) => b.probability - a.probability);
}
