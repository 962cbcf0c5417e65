import { createHash, randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { jobIdFor } from '../../../batch/batch.ts';
import type { Config } from '../../../config/config.ts';
import { AppError } from '../../../domain/errors.ts';
import { jobLayout } from '../../../domain/job/job-layout.ts';
import { checkKey, compareKeys } from '../../../domain/keys.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { relativePath } from '../../body/file-path.ts';
import { checkFields, readForm } from '../../body/form.ts';
import { batchFormTooLarge } from '../../errors/too-large.ts';
import { BatchFormFields } from './schema.ts';

export const MAX_FILES = 1_000;
/** Allowance for the boundary and headers of one part. */
const PART_HEADERS_BYTES = 512;

export interface UploadedBatch extends BatchFormFields {
  readonly jobId: string;
  /** Where the files are: a folder of this request alone. */
  readonly prefix: string;
  /** SHA-256 of the names and the content of the files; the same for a form that is sent again. */
  readonly digest: string;
  /** Removes the files of this request, and those of no other: for a job that does not use them. */
  discard(): Promise<void>;
}

/**
 * Stores the files of a form one by one, outside `input/` so that the drop does not see them a second time.
 * Each request has a folder of its own: a retry with the same idempotencyKey must not depend on files that the first
 * attempt, which may still be running, deletes when it fails. A form that is refused leaves nothing behind.
 *
 * @param check the options, before the first file is stored
 * @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE, PAYLOAD_TOO_LARGE, STORE_UNAVAILABLE
 */
export async function storeBatchForm(
  request: FastifyRequest,
  objects: ObjectStore,
  { MAX_IMAGE_BYTES, maxFormBytes }: Pick<Config, 'MAX_IMAGE_BYTES' | 'maxFormBytes'>,
  check: (fields: BatchFormFields) => void,
): Promise<UploadedBatch> {
  /** SHA-256 of each stored file, by its key. */
  const stored = new Map<string, Buffer>();
  let job: { fields: BatchFormFields; jobId: string; prefix: string } | undefined;
  const discard = async () => {
    for (const key of stored.keys()) await objects.delete(key);
  };
  const files = readForm(request, {
    maxBytes: maxFormBytes + MAX_FILES * PART_HEADERS_BYTES,
    maxFileBytes: MAX_IMAGE_BYTES,
    maxFiles: MAX_FILES,
    maxFields: Object.keys(BatchFormFields.properties).length,
    fieldsFirst: true,
    tooLarge: () => batchFormTooLarge(maxFormBytes),
  });
  try {
    for await (const { filename, bytes, fields } of files) {
      job ??= openJob(checkFields(BatchFormFields, fields), check);
      const key = freeKey(job.prefix, filename, stored);
      // Before the write, so that a write whose answer is lost is discarded as well.
      stored.set(key, createHash('sha256').update(bytes).digest());
      await objects.put(key, bytes);
      request.bodyCount?.clear();
    }
  } catch (error) {
    await discard();
    if ((error as { code?: string }).code === 'FST_FILES_LIMIT') {
      throw invalid(
        `the form has more than ${MAX_FILES} files; put them into the store and send their prefix`,
      );
    }
    throw error;
  }
  if (!job) throw invalid('the form has no file part; send at least one image');
  const { fields, jobId, prefix } = job;
  return { ...fields, jobId, prefix, digest: digestOf(prefix, stored), discard };
}

function digestOf(prefix: string, stored: ReadonlyMap<string, Buffer>): string {
  const hash = createHash('sha256');
  for (const [key, content] of [...stored].sort(([a], [b]) => compareKeys(a, b))) {
    // The length separates the name from what follows it.
    const name = key.slice(prefix.length);
    hash
      .update(`${Buffer.byteLength(name)}:`)
      .update(name)
      .update(content);
  }
  return hash.digest('hex');
}

function openJob(fields: BatchFormFields, check: (fields: BatchFormFields) => void) {
  check(fields);
  const jobId = jobIdFor(fields.idempotencyKey);
  return { fields, jobId, prefix: jobLayout(jobId).upload(randomBytes(8).toString('hex')) };
}

/** A number before the name keeps files of one path apart: `cats/a.jpg`, `cats/2-a.jpg`. */
function freeKey(prefix: string, filename: string, taken: ReadonlyMap<string, unknown>): string {
  const path = filename === '' ? 'file' : relativePath(filename);
  const at = path.lastIndexOf('/') + 1;
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${path.slice(0, at)}${n}-${path.slice(at)}`;
    if (!taken.has(prefix + name)) return checkKey(prefix + name);
  }
}

const invalid = (message: string) => new AppError('INVALID_REQUEST', message);
