import { isAppError } from '../domain/errors.ts';
import type { Job, ShardInput } from '../domain/job/job.ts';
import { compareKeys, isFolderMarker } from '../domain/keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** Concurrent requests for the etags of listed objects. */
const CONCURRENT_HEADS = 32;

/** Whether a job has any input; a listed object counts even if it does not exist. */
export async function hasInputs(objects: ObjectStore, { source }: Pick<Job, 'source'>): Promise<boolean> {
  if (source.kind === 'objects') return source.objects.length > 0;
  for await (const { key } of objects.list(source.prefix)) if (!isFolderMarker(key)) return true;
  return false;
}

/** The inputs of a job in the order of their keys, with etag and size; only those after `startAfter`, if it is given. */
export async function* listInputs(
  objects: ObjectStore,
  { source }: Job,
  startAfter: string | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<ShardInput, void> {
  if (source.kind === 'prefix') {
    const options = { ...(startAfter === undefined ? {} : { startAfter }), ...(signal ? { signal } : {}) };
    for await (const { key, etag, size } of objects.list(source.prefix, options)) {
      if (!isFolderMarker(key)) yield { key, etag, size };
    }
    return;
  }
  const rest = source.objects.filter(
    ({ key }) => startAfter === undefined || compareKeys(key, startAfter) > 0,
  );
  for (let i = 0; i < rest.length; i += CONCURRENT_HEADS) {
    signal?.throwIfAborted();
    yield* await Promise.all(rest.slice(i, i + CONCURRENT_HEADS).map((input) => withEtag(objects, input)));
  }
}

/** The next `count` inputs, or fewer at the end. */
export async function takeInputs(
  inputs: AsyncGenerator<ShardInput, void>,
  count: number,
): Promise<ShardInput[]> {
  const taken: ShardInput[] = [];
  while (taken.length < count) {
    const next = await inputs.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}

/** An object that is missing, or whose key the store cannot hold, stays an input: the worker writes an error row. */
async function withEtag(objects: ObjectStore, input: ShardInput): Promise<ShardInput> {
  if (input.etag !== undefined) return input;
  try {
    const { etag, size } = await objects.head(input.key);
    return { key: input.key, etag, size };
  } catch (error) {
    if (isAppError(error, 'OBJECT_NOT_FOUND', 'INVALID_REQUEST')) return { key: input.key };
    throw error;
  }
}
