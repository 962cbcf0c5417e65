import type { Classifier, Models } from '../../domain/classifier.ts';
import type { ResultRow } from '../../domain/job/job.ts';

/** Classifies one input of a job: an image or a file of rows, depending on the model. */
export interface ItemClassifier {
  classify(
    bytes: Uint8Array,
    options: Parameters<Classifier['classify']>[1],
  ): Promise<Required<Pick<ResultRow, 'model' | 'version' | 'predictions'>>>;
}

/**
 * The model `name` as an item classifier. An image gets its classes; a file of rows (CSV or JSON Lines) gets one
 * prediction or error per row, in the order of the rows.
 *
 * @throws AppError MODEL_NOT_FOUND
 */
export function itemClassifierOf(models: Models, name: string | undefined): ItemClassifier {
  const task = models.taskOf?.(name) ?? 'image-classification';
  if (task === 'image-classification' || !models.tabular) return models.get(name);
  const model = models.tabular(name);
  return { classify: (bytes, { signal }) => model.predictFile(bytes, signal ? { signal } : {}) };
}
