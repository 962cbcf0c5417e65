import { closest, distance } from 'fastest-levenshtein';

/** Largest edit distance of a suggestion, as a share of the name's length. */
const MAX_DISTANCE = 0.5;

/** `did you mean "topK"?` if a known name is similar, else `available: model, topK`. */
export function suggestName(name: string, known: readonly string[]): string {
  if (known.length === 0) return 'none is available';
  const lower = name.toLowerCase();
  const best = closest(
    lower,
    known.map((each) => each.toLowerCase()),
  );
  const isSimilar = distance(lower, best) <= Math.max(1, name.length * MAX_DISTANCE);
  const suggested = known.find((each) => each.toLowerCase() === best);
  return isSimilar ? `did you mean ${JSON.stringify(suggested)}?` : `available: ${known.join(', ')}`;
}
