import type { TabularManifest } from '../../../../models/manifest.ts';
import { argmax, roundProbability, toPrediction } from '../../domain/prediction.ts';
import type { RowPrediction } from '../../domain/tabular.ts';
import { softmax } from '../image/softmax.ts';

/**
 * Returns a function from one row of the model's output, shape [classes] (or [1] for a regression), to a prediction.
 *
 * @param labels one label per class
 */
export function createRowPredictor(
  output: TabularManifest['output'],
  labels: readonly string[],
): (row: Float32Array) => RowPrediction {
  if (!('classes' in output)) return toValue;
  return (row) => {
    const probabilities = output.activation === 'logits' ? softmax(row) : row;
    const index = argmax(probabilities);
    return {
      ...toPrediction(index, probabilities[index] ?? 0, labels),
      probabilities: Object.fromEntries(
        labels.map((label, place) => [label, roundProbability(probabilities[place] ?? 0)]),
      ),
    };
  };
}

/** Seven significant digits: the precision of float32. */
const toValue = (row: Float32Array): RowPrediction => ({ value: Number((row[0] ?? 0).toPrecision(7)) });
