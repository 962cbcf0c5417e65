import { AppError } from '../errors.ts';
import type { ShardInput } from './job.ts';

/** The number of chunks of `inputs` inputs. */
export function chunkCount(inputs: number, chunkSize: number): number {
  return Math.ceil(inputs / chunkSize);
}

/** The half-open range of the inputs of chunk number `chunk`. */
export function chunkRange(chunk: number, chunkSize: number, inputs: number): { from: number; to: number } {
  return { from: chunk * chunkSize, to: Math.min((chunk + 1) * chunkSize, inputs) };
}

/** Upper bound of the chunks in a job: full ones, and at most one short one per shard. */
export function maxChunks(total: number, shards: number, chunkSize: number): number {
  return Math.floor(total / chunkSize) + shards;
}

/** One line of JSON per input; JSON escapes newlines in keys. */
export function formatShard(inputs: readonly ShardInput[]): string {
  return inputs.map((input) => `${JSON.stringify(input)}\n`).join('');
}

/** @throws AppError INTERNAL if a line is not JSON (another program has replaced the object) */
export function parseShard(text: string): ShardInput[] {
  const inputs: ShardInput[] = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      inputs.push(JSON.parse(line) as ShardInput);
    } catch (cause) {
      throw new AppError('INTERNAL', `line ${inputs.length + 1} of a shard is not JSON`, {}, { cause });
    }
  }
  return inputs;
}
