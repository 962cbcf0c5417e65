/** One class of a classification. `probability` is in [0, 1]; `index` is the position in the model's output. */
export interface Prediction {
  readonly label: string;
  readonly index: number;
  readonly probability: number;
}

/** Durations of the stages of one request, in milliseconds. */
export interface Timing {
  readonly decodeMs: number;
  readonly queueMs: number;
  readonly inferenceMs: number;
}

/** The `k` most probable classes of one image, most probable first. */
export interface Classification {
  readonly model: string;
  readonly version: string;
  readonly predictions: readonly Prediction[];
  readonly timing: Timing;
}

/**
 * The k largest probabilities, largest first; equal ones in the order of their index, so that the result is
 * deterministic.
 *
 * @param probabilities one row of the model's output, shape [classes]
 * @param labels one label per class; a class without one is called `class_<index>`
 * @param k number of classes to return, at most as many as there are
 */
export function topK(probabilities: Float32Array, labels: readonly string[], k: number): Prediction[] {
  // One pass that keeps the best k in order: sorting a thousand classes for five of them would block the event loop.
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
  return best.map((index) => toPrediction(index, probabilities[index] ?? 0, labels));
}

/** The class at `index`, with its label and a rounded probability. */
export function toPrediction(index: number, probability: number, labels: readonly string[]): Prediction {
  return { label: labels[index] ?? `class_${index}`, index, probability: roundProbability(probability) };
}

/** Index of the largest value, the first of equal ones. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if ((values[index] ?? 0) > (values[best] ?? 0)) best = index;
  }
  return best;
}

/** Six decimals: more would print float32 noise, and equal results would differ in their last digits. */
export function roundProbability(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** One decimal: a clock under load is not more precise. */
export function roundMs(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}
