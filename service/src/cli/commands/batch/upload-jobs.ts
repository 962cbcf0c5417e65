import { createHash, randomUUID } from 'node:crypto';
import { formatBytes, plural } from '../../../domain/format.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import type { Context } from '../../context.ts';
import { CommandError, usageError } from '../../failure.ts';
import { type FoundFile, findFiles } from '../../files.ts';
import { startProgress } from '../../ui/progress.ts';
import { printable } from '../../ui/terminal.ts';
import type { BatchJob } from './jobs.ts';
import { createForm, MAX_PART_BYTES, splitUpload } from './upload.ts';

/** Longest wait for the answer to an upload, in milliseconds: a little more than services allow one by default. */
const UPLOAD_WITHIN_MS = 65 * 60_000;

/** What a job is asked for, beside its inputs; with `json` no sentence follows the upload. */
export interface JobOptions {
  readonly topK?: number;
  readonly model?: string;
  readonly idempotencyKey?: string;
  readonly json?: boolean;
}

/** Jobs of local files. Files that cannot be read are told on stderr and left out. */
export async function uploadJobs(
  context: Context,
  client: ServiceClient,
  paths: readonly string[],
  options: JobOptions,
) {
  const { terminal } = context;
  const files: FoundFile[] = [];
  let skipped = 0;
  for (const found of await findFiles(paths, context.cwd)) {
    if (!('error' in found)) {
      files.push(found);
      continue;
    }
    skipped++;
    const { name, error } = found;
    terminal.err(
      `${terminal.errColours.red(`${error.code}`)} ${printable(name)}: ${printable(error.message)}\n`,
    );
  }
  if (files.length === 0) throw usageError('there is nothing to upload');
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = startProgress(terminal, { doing: 'uploading', total, unit: 'bytes' });
  const parts = splitUpload(files, await partBytesOf(client));
  const key = options.idempotencyKey ?? randomUUID();
  const jobs: BatchJob[] = [];
  let before = 0;
  try {
    for (const [index, part] of parts.entries()) {
      const fields = {
        ...(options.topK === undefined ? {} : { topK: String(options.topK) }),
        ...(options.model === undefined ? {} : { model: options.model }),
        idempotencyKey: index === 0 ? key : partKey(key, index),
      };
      const start = before;
      const form = createForm(fields, part, (bytes) => progress.update(start + bytes));
      jobs.push(
        await client.json<BatchJob>('/batch', 'jobId', {
          method: 'POST',
          headers: { 'content-type': form.contentType },
          body: form.body,
          within: UPLOAD_WITHIN_MS,
        }),
      );
      before += part.reduce((sum, { bytes }) => sum + bytes, 0);
    }
  } catch (error) {
    progress.stop();
    if (jobs.length > 0) {
      const made = jobs.map(({ jobId }) => jobId).join(' ');
      terminal.err(`${plural(jobs.length, 'job')} of ${parts.length} made before it failed: ${made}\n`);
    }
    throw error;
  } finally {
    progress.stop();
  }
  if (!options.json) {
    terminal.err(
      `  ${terminal.errColours.dim(`${plural(files.length, 'file')} uploaded, ${formatBytes(total)}`)}\n`,
    );
  }
  return { jobs, skipped };
}

/** Most bytes of one request: on Lambda the service takes far less than elsewhere, and says so to its page. */
async function partBytesOf(client: ServiceClient): Promise<number> {
  interface Settings {
    readonly limits: { readonly formBytes?: number };
  }
  try {
    const { limits } = await client.json<Settings>('/web/settings.json', 'limits');
    return Math.min(MAX_PART_BYTES, limits.formBytes ?? MAX_PART_BYTES);
  } catch (error) {
    // A service that serves no page takes what a service takes by default.
    if (error instanceof CommandError && error.code === 'NOT_FOUND') return MAX_PART_BYTES;
    throw error;
  }
}

/** Each part of an upload is a job of its own, whose key follows from the first one's. */
function partKey(key: string, index: number): string {
  return createHash('sha256').update(`${key}\n${index}`).digest('hex');
}
