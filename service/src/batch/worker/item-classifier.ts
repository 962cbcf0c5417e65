import type { Classifier, Models } from '../../domain/classifier.ts';
import type { ResultRow } from '../../domain/job/job.ts';

/** What answers one input of a job, whatever the model takes. */
export interface Answerer {
  classify(
    bytes: Uint8Array,
    options: Parameters<Classifier['classify']>[1],
  ): Promise<Required<Pick<ResultRow, 'model' | 'version' | 'predictions'>>>;
}

/**
 * The model called `name` as the answerer of a job's inputs: an image gets its classes; a file of rows (CSV or JSON Lines)
 * one prediction or error a row, in the order of the rows.
 *
 * @throws AppError MODEL_NOT_FOUND
 */
export function answererOf(models: Models, name: string | undefined): Answerer {
  const task = models.taskOf?.(name) ?? 'image-classification';
  if (task === 'image-classification' || !models.tabular) return models.get(name);
  const model = models.tabular(name);
  return { classify: (bytes, { signal }) => model.predictFile(bytes, signal ? { signal } : {}) };
}
