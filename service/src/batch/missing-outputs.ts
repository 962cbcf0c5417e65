import { compareKeys, inputOfOutput } from '../domain/keys.ts';
import type { ObjectInfo } from '../storage/object-store.ts';

/**
 * The inputs without an output that is newer than they are, from the two listings, read side by side once.
 *
 * The order of `output/<path>.json` is that of `input/<path>` except where one path begins with another (`a`, `a b`:
 * `a b.json` comes before `a.json`). So an input waits until the outputs are past the place where its own would be; few
 * ever wait at once. An output as old as its input counts as missing: some stores tell whole seconds only.
 *
 * @param inputs listing of `input/`, in order
 * @param outputs listing of `output/`, in order
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
        // Most are past already and need not wait: without this, all inputs before the first output would be held.
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
