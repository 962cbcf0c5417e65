import { createHash, randomUUID } from 'node:crypto';
import { formatBytes, plural } from '../../../domain/format.ts';
import type { ResultKind } from '../../../domain/job/job.ts';
import { printable } from '../../../domain/printable.ts';
import type { ServiceClient } from '../../client/service-client.ts';
import { needsUpload, readLimits, uploadImage } from '../../client/uploads.ts';
import type { Context } from '../../context.ts';
import { usageError } from '../../failure.ts';
import { type FoundFile, findFiles } from '../../files.ts';
import { startProgress } from '../../ui/progress.ts';
import type { BatchJob } from './jobs.ts';
import { blobOf, createForm, MAX_PART_BYTES, splitKeys, splitUpload } from './upload.ts';

/** Until the response to a form arrives, in milliseconds; the service's own limit is a little lower. */
const UPLOAD_TIMEOUT_MS = 130_000;

/** Options of a job beside its inputs; `json` suppresses the summary of the upload. */
export interface JobOptions {
  readonly topK?: number;
  readonly model?: string;
  readonly results?: ResultKind;
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
  const { formBytes, uploadBytes } = await readLimits(client);
  const isLarge = ({ bytes }: FoundFile) => needsUpload(bytes, formBytes, uploadBytes);
  const parts = [
    ...splitUpload(
      files.filter((file) => !isLarge(file)),
      Math.min(MAX_PART_BYTES, formBytes ?? MAX_PART_BYTES),
    ),
    ...splitKeys(files.filter(isLarge)),
  ];
  const key = options.idempotencyKey ?? randomUUID();
  const jobs: BatchJob[] = [];
  let sent = 0;
  async function uploadEach(part: readonly FoundFile[]): Promise<string[]> {
    const keys: string[] = [];
    let done = sent;
    for (const file of part) {
      keys.push(await uploadImage(client, await blobOf(file), file.relative));
      done += file.bytes;
      progress.update(done);
    }
    return keys;
  }
  try {
    for (const [index, part] of parts.entries()) {
      const { topK, model, results, deadline } = options;
      const idempotencyKey = index === 0 ? key : partKey(key, index);
      const job = { topK, model, results, deadline, idempotencyKey };
      const start = sent;
      const bytes = part.reduce((sum, file) => sum + file.bytes, 0);
      // The headers of a form count as well.
      const onUpload = ({ transferredBytes }: { readonly transferredBytes: number }) =>
        progress.update(start + Math.min(transferredBytes, bytes));
      const request = part.some(isLarge)
        ? { json: { ...job, objects: await uploadEach(part) } }
        : { body: await createForm(job, part), onUpload };
      const sending = { method: 'POST', timeout: UPLOAD_TIMEOUT_MS, ...request } as const;
      jobs.push(await client.json<BatchJob>('/batch', 'jobId', sending));
      sent += bytes;
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

/** The idempotency key of a further part, derived from that of the first one. */
function partKey(key: string, index: number): string {
  return createHash('sha256').update(`${key}\n${index}`).digest('hex');
}
