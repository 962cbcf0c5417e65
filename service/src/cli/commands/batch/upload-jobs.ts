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

/** Until the response to a form arrives, in milliseconds; the service's own limit is a little lower. */
const UPLOAD_TIMEOUT_MS = 130_000;

/** Options of a job beside its inputs; `json` suppresses the summary of the upload. */
export interface JobOptions {
  readonly topK?: number;
  readonly model?: string;
  readonly deadline?: string;
  readonly idempotencyKey?: string;
  readonly json?: boolean;
}

/** Creates jobs of local files. Files that cannot be read are reported on stderr and skipped. */
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
  if (files.length === 0) throw usageError('no file to upload');
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = startProgress(terminal, { doing: 'uploading', total, unit: 'bytes' });
  const parts = splitUpload(files, await partBytesOf(client));
  const key = options.idempotencyKey ?? randomUUID();
  const jobs: BatchJob[] = [];
  let sent = 0;
  try {
    for (const [index, part] of parts.entries()) {
      const fields = {
        ...(options.topK === undefined ? {} : { topK: String(options.topK) }),
        ...(options.model === undefined ? {} : { model: options.model }),
        ...(options.deadline === undefined ? {} : { deadline: options.deadline }),
        idempotencyKey: index === 0 ? key : partKey(key, index),
      };
      const start = sent;
      sent += part.reduce((sum, { bytes }) => sum + bytes, 0);
      jobs.push(
        await client.json<BatchJob>('/batch', 'jobId', {
          method: 'POST',
          body: await createForm(fields, part),
          timeout: UPLOAD_TIMEOUT_MS,
          // The form's headers count as well.
          onUpload: ({ transferredBytes }) => progress.update(Math.min(start + transferredBytes, sent)),
        }),
      );
    }
  } catch (error) {
    progress.stop();
    if (jobs.length > 0) {
      const ids = jobs.map(({ jobId }) => jobId).join(' ');
      terminal.err(`${jobs.length} of ${plural(parts.length, 'job')} created before the failure: ${ids}\n`);
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

/** Maximum bytes of a form; on Lambda the service accepts far less than elsewhere. */
async function partBytesOf(client: ServiceClient): Promise<number> {
  interface Settings {
    readonly limits: { readonly formBytes?: number };
  }
  try {
    const { limits } = await client.json<Settings>('/web/settings.json', 'limits');
    return Math.min(MAX_PART_BYTES, limits.formBytes ?? MAX_PART_BYTES);
  } catch (error) {
    // A service without the page has the default limit.
    if (error instanceof CommandError && error.code === 'NOT_FOUND') return MAX_PART_BYTES;
    throw error;
  }
}

/** The idempotency key of a further part, derived from that of the first one. */
function partKey(key: string, index: number): string {
  return createHash('sha256').update(`${key}\n${index}`).digest('hex');
}
