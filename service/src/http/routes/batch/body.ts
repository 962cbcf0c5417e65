import { createHash, randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Value } from 'typebox/value';
import { jobIdFor } from '../../../batch/batch.ts';
import type { Config } from '../../../config/config.ts';
import { AppError } from '../../../domain/errors.ts';
import { jobLayout } from '../../../domain/job/job-layout.ts';
import { checkKey, compareKeys } from '../../../domain/keys.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { BatchFormFields } from './schema.ts';

export const MAX_FILES = 1_000;

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
  const texts: Record<string, string> = {};
  /** SHA-256 of each stored file, by its key. */
  const stored = new Map<string, Buffer>();
  let job: { fields: BatchFormFields; jobId: string; prefix: string } | undefined;
  let bytes = 0;
  const discard = async () => {
    for (const key of stored.keys()) await objects.delete(key);
  };
  try {
    const limits = {
      fileSize: MAX_IMAGE_BYTES,
      files: MAX_FILES,
      fields: 3,
      fieldSize: 1024,
      headerPairs: 32,
    };
    // The path of a file in its folder is part of its key; the parser would keep the last name only.
    for await (const part of request.parts({ limits, preservePath: true })) {
      if (part.type === 'field') {
        if (job)
          throw invalid(`the field ${quote(part.fieldname)} comes after a file; send the fields first`);
        texts[part.fieldname] = String(part.value);
        continue;
      }
      job ??= openJob(texts, check);
      const body = await part.toBuffer();
      bytes += body.length;
      if (bytes > maxFormBytes) {
        throw new AppError(
          'PAYLOAD_TOO_LARGE',
          `the form has more than ${maxFormBytes} bytes of images; send fewer at a time, or put the files into the store and name a prefix`,
        );
      }
      const key = freeKey(job.prefix, part.filename, stored);
      // Before the write, so that a write whose answer is lost is discarded as well.
      stored.set(key, createHash('sha256').update(body).digest());
      await objects.put(key, body);
    }
  } catch (error) {
    await discard();
    if ((error as { code?: string }).code === 'FST_FILES_LIMIT') {
      throw invalid(`the form has more than ${MAX_FILES} files; put them into the store and name a prefix`);
    }
    if (error instanceof AppError || (error as { code?: string }).code?.startsWith('FST_')) throw error;
    throw new AppError('INVALID_REQUEST', 'The multipart form is cut off or malformed', {}, { cause: error });
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

function openJob(texts: Readonly<Record<string, string>>, check: (fields: BatchFormFields) => void) {
  const fields: Record<string, unknown> = { ...texts };
  if (texts.topK !== undefined && /^\d{1,15}$/.test(texts.topK)) fields.topK = Number(texts.topK);
  const [fault] = Value.Errors(BatchFormFields, fields);
  if (fault) {
    const what = fault.keyword === 'boolean' ? 'is not known here' : fault.message;
    throw invalid(`the form field ${fault.instancePath.slice(1)} ${what}`);
  }
  const checked = fields as BatchFormFields;
  check(checked);
  const jobId = jobIdFor(checked.idempotencyKey);
  return { fields: checked, jobId, prefix: jobLayout(jobId).upload(randomBytes(8).toString('hex')) };
}

/** Files of one path are told apart by a number before the name: `cats/a.jpg`, `cats/2-a.jpg`. */
function freeKey(prefix: string, filename: string | undefined, taken: ReadonlyMap<string, unknown>): string {
  const path = pathOf(filename ?? '');
  const at = path.lastIndexOf('/') + 1;
  for (let n = 1; ; n++) {
    const name = n === 1 ? path : `${path.slice(0, at)}${n}-${path.slice(at)}`;
    if (!taken.has(prefix + name)) return checkKey(prefix + name);
  }
}

/** The path a file is sent under, relative to whatever folder was sent. @throws AppError INVALID_REQUEST */
function pathOf(filename: string): string {
  if (filename === '') return 'file';
  const names = filename.split(/[\\/]/);
  const isAbsolute = /^([A-Za-z]:)?[\\/]/.test(filename);
  if (isAbsolute || filename.includes('\0') || names.some((name) => /^\.{0,2}$/.test(name))) {
    throw invalid(
      `a file is sent under the path ${quote(filename)}; send it under a relative path without empty names, "." and ".."`,
    );
  }
  return filename;
}

const quote = (name: string) => JSON.stringify(name.slice(0, 64));
const invalid = (message: string) => new AppError('INVALID_REQUEST', message);
