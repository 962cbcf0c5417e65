import type { ResultRow } from '../../domain/job/job.ts';
import { jobLayout, parseChunkNumber } from '../../domain/job/job-layout.ts';
import type { ObjectInfo, ObjectStore } from '../../storage/object-store.ts';

/** Chunks that are read ahead of the consumer: number and bytes. */
const MAX_AHEAD = 8;
const MAX_AHEAD_BYTES = 8 * 1024 * 1024;

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when the consumer asks for the next chunk. */
  readonly onProgress?: (() => void) | undefined;
}

/** The chunks of a job so far (JSON Lines), in the order of its inputs; at most 8 MiB, or one chunk, are in memory. */
export async function* readChunks(
  objects: ObjectStore,
  jobId: string,
  { signal, onProgress }: ReadOptions = {},
): AsyncGenerator<Buffer, void> {
  const options = signal ? { signal } : {};
  const ahead: { size: number; body: Promise<Buffer> }[] = [];
  let bytes = 0;
  const take = () => {
    const next = ahead.shift();
    bytes -= next?.size ?? 0;
    return next?.body ?? Buffer.alloc(0);
  };
  for await (const { key, size } of listChunks(objects, jobId, options)) {
    while (ahead.length >= MAX_AHEAD || (ahead.length > 0 && bytes + size > MAX_AHEAD_BYTES)) {
      yield await take();
      onProgress?.();
    }
    const body = objects.get(key, options);
    // `take` reports the failure of a chunk; if the consumer stops before that, it does not matter.
    body.catch(() => undefined);
    ahead.push({ size, body });
    bytes += size;
  }
  while (ahead.length > 0) {
    yield await take();
    onProgress?.();
  }
}

/** The objects of the chunks, in the order of the inputs: a listing has chunk 10000 of a shard before chunk 9999. */
export async function* listChunks(
  objects: ObjectStore,
  jobId: string,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<ObjectInfo, void> {
  const prefix = jobLayout(jobId).results;
  let shard = '';
  let found: { chunk: number; info: ObjectInfo }[] = [];
  const inOrder = () => found.sort((a, b) => a.chunk - b.chunk).map(({ info }) => info);
  for await (const info of objects.list(prefix, options)) {
    const chunk = parseChunkNumber(info.key);
    if (chunk === undefined) continue;
    const itsShard = info.key.slice(prefix.length, info.key.lastIndexOf('-'));
    if (itsShard !== shard) {
      yield* inOrder();
      found = [];
      shard = itsShard;
    }
    found.push({ chunk, info });
  }
  yield* inOrder();
}

/** The rows of a chunk, which holds whole lines. */
export const parseRows = (chunk: Buffer): ResultRow[] =>
  chunk
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
