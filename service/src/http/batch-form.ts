import type { FastifyRequest } from 'fastify';
import { Value } from 'typebox/value';
import { jobIdFor } from '../batch/batch.ts';
import { AppError, isAppError } from '../domain/errors.ts';
import { jobLayout } from '../domain/job-layout.ts';
import { checkKey } from '../domain/keys.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { BatchFormFields } from './batch-schemas.ts';

export const MAX_FILES = 1_000;
/** Of one form; larger collections go into the store first. */
const MAX_FORM_BYTES = 2 * 1024 ** 3;

export interface UploadedBatch extends BatchFormFields {
  readonly jobId: string;
  /** Where the files lie now. */
  readonly prefix: string;
  /** Removes the files: for a job that could not be made. */
  discard(): Promise<void>;
}

/**
 * Stores the files of a form one by one, outside `input/` so that the drop does not see them a second time.
 * A form that cannot be taken leaves nothing behind.
 *
 * @param check the options, before the first file is stored
 * @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE, PAYLOAD_TOO_LARGE, STORE_UNAVAILABLE
 */
export async function storeBatchForm(
  request: FastifyRequest,
  objects: ObjectStore,
  maxImageBytes: number,
  check: (fields: BatchFormFields) => void,
): Promise<UploadedBatch> {
  const texts: Record<string, string> = {};
  const stored = new Set<string>();
  let job: { fields: BatchFormFields; jobId: string; prefix: string } | undefined;
  let bytes = 0;
  const discard = async () => {
    for (const key of stored) await objects.delete(key);
  };
  try {
    const limits = { fileSize: maxImageBytes, files: MAX_FILES, fields: 3, fieldSize: 1024, headerPairs: 32 };
    for await (const part of request.parts({ limits })) {
      if (part.type === 'field') {
        if (job)
          throw invalid(`the field ${quote(part.fieldname)} comes after a file; send the fields first`);
        texts[part.fieldname] = String(part.value);
        continue;
      }
      job ??= openJob(texts, check);
      const body = await part.toBuffer();
      bytes += body.length;
      if (bytes > MAX_FORM_BYTES) {
        throw new AppError(
          'PAYLOAD_TOO_LARGE',
          `the form has more than ${MAX_FORM_BYTES} bytes; put the files into the store and name a prefix`,
        );
      }
      const key = freeKey(job.prefix, part.filename, stored);
      if (await putIfAbsent(objects, key, body)) stored.add(key);
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
  return { ...job.fields, jobId: job.jobId, prefix: job.prefix, discard };
}

/** False when it is there: the same form was sent before, under the same idempotency key. */
async function putIfAbsent(objects: ObjectStore, key: string, body: Buffer): Promise<boolean> {
  try {
    await objects.put(key, body, { ifAbsent: true });
    return true;
  } catch (error) {
    if (isAppError(error, 'CONFLICT')) return false;
    throw error;
  }
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
  return { fields: checked, jobId, prefix: jobLayout(jobId).uploads };
}

/** Files of one name are told apart by a number before the name. */
function freeKey(prefix: string, filename: string | undefined, taken: ReadonlySet<string>): string {
  const name = (filename ?? '').replaceAll('\0', '').replace(/^\/+|\/+$/g, '') || 'file';
  for (let n = 1; ; n++) {
    const key = prefix + (n === 1 ? name : `${n}-${name}`);
    if (!taken.has(key)) return checkKey(key);
  }
}

const quote = (name: string) => JSON.stringify(name.slice(0, 64));
const invalid = (message: string) => new AppError('INVALID_REQUEST', message);
