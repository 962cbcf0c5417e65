import { compareKeys, inputOfOutput } from '../domain/keys.ts';
import type { ObjectInfo } from '../storage/object-store.ts';

/**
 * The inputs without a newer output, from one pass over both listings, which must be in the order of their keys.
 *
 * Outputs `output/<path>.json` have the order of inputs `input/<path>`, except if one path begins with another:
 * `a b.json` comes before `a.json`, but `a` before `a b`. Therefore an input waits until the outputs are past the place
 * of its own; few inputs wait at a time. An output as old as its input counts as missing, because some stores have
 * times in whole seconds.
 */
export async function* missingOutputs(
  inputs: AsyncIterable<ObjectInfo>,
  outputs: AsyncIterable<ObjectInfo>,
): AsyncGenerator<ObjectInfo> {
  const waiting = new Map<string, ObjectInfo>();
  const input = inputs[Symbol.asyncIterator]();
  let next = await input.next();
  try {
    for await (const output of outputs) {
      const path = inputOfOutput(output.key);
      if (path === undefined) continue;
      while (!next.done && compareKeys(next.value.key, path) <= 0) {
        const { value } = next;
        // Without this check, all inputs before the first output would wait in memory.
        if (compareKeys(`${value.key}.json`, `${path}.json`) < 0) yield value;
        else waiting.set(value.key, value);
        next = await input.next();
      }
      const found = waiting.get(path);
      if (found && output.lastModified > found.lastModified) waiting.delete(path);
      for (const [key, info] of waiting) {
        if (compareKeys(`${key}.json`, `${path}.json`) > 0) continue;
        waiting.delete(key);
        yield info;
      }
    }
    yield* waiting.values();
    for (; !next.done; next = await input.next()) yield next.value;
  } finally {
    await input.return?.();
  }
}
