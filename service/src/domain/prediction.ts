/** One class of a classification. `probability` is in [0, 1]; `index` is the position in the model's output. */
export interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
}

/** Where the time of one classification went, in milliseconds. */
interface Timing {
  readonly decodeMs: number;
  readonly queueMs: number;
  readonly inferenceMs: number;
}

/** What the classifier says of one image: the `k` likeliest classes, likeliest first. */
export interface Classification {
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly Prediction[];
  readonly timing: Timing;
}

/**
 * The k largest probabilities, largest first; equal ones in the order of their index, so that the result is
 * the same however often it is computed.
 *
 * @param probabilities one row of the model's output, shape [classes]
 * @param labels one label a class; a class without one is called `class_<index>`
 * @param k how many to return; more than there are classes means all of them
 */
export function topK(probabilities: Float32Array, labels: readonly string[], k: number): Prediction[] {
  // Kept in order while they are found: sorting a thousand classes for five of them would hold up the event loop.
  const best: number[] = [];
  const at = (index: number | undefined) =>
    index === undefined ? Number.NEGATIVE_INFINITY : (probabilities[index] ?? 0);
  for (let index = 0; index < probabilities.length; index++) {
    const value = at(index);
    if (best.length >= k && value <= at(best.at(-1))) continue;
    let place = best.length;
    while (place > 0 && value > at(best[place - 1])) place--;
    best.splice(place, 0, index);
    if (best.length > k) best.pop();
  }
  return best.map((index) => ({
    label: labels[index] ?? `class_${index}`,
    index,
    probability: roundProbability(probabilities[index] ?? 0),
  }));
}

/** Six decimals: more would print float32 noise and make equal results differ in their last digits. */
export function roundProbability(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
