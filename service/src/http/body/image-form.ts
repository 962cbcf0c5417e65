import type { FastifyRequest } from 'fastify';
import { Value } from 'typebox/value';
import { AppError } from '../../domain/errors.ts';
import { bodiesTooLarge } from '../plugins/body-memory.ts';
import { ClassifyQuery } from '../schemas/shared.ts';

/** An image as it came, and the options that came with it in a form. */
export interface ImageRequest {
  readonly bytes: Uint8Array;
  readonly topK?: number;
  readonly model?: string;
}

/** Boundaries, part headers and the two small fields beside the file. */
const FORM_OVERHEAD_BYTES = 16 * 1024;

/** The text fields a form may carry; they mean the same as the query parameters, which win. */
const FIELDS: readonly string[] = ['topK', 'model'];

/**
 * The one file of a multipart form, under any name, and the fields `topK` and `model` if they are there.
 *
 * @param maxBytes limit of the file; the form is refused while it arrives once it is longer
 * @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE
 */
export async function readImageForm(request: FastifyRequest, maxBytes: number): Promise<ImageRequest> {
  const maxFormBytes = maxBytes + FORM_OVERHEAD_BYTES;
  if (Number(request.headers['content-length']) > maxFormBytes) throw tooLarge(maxBytes);
  const fields: Record<string, string> = {};
  let bytes: Buffer | undefined;
  const watch = watchLength(request, maxFormBytes, () => tooLarge(maxBytes));
  try {
    const limits = { fileSize: maxBytes, files: 1, fields: FIELDS.length, fieldSize: 256, headerPairs: 32 };
    for await (const part of request.parts({ limits })) {
      if (part.type === 'file') bytes = await part.toBuffer();
      else fields[checkedName(part.fieldname, fields)] = String(part.value);
    }
  } catch (error) {
    if (watch.refusal) throw watch.refusal;
    if (error instanceof AppError || (error as { code?: string }).code?.startsWith('FST_')) throw error;
    // The parser's own errors have no codes: a form that ends early, a missing boundary, a malformed header.
    throw new AppError('INVALID_REQUEST', 'the multipart form is cut off or malformed', {}, { cause: error });
  } finally {
    watch.stop();
  }
  if (!bytes) throw new AppError('INVALID_REQUEST', 'the form has no file part; send exactly one image');
  return { bytes, ...optionsOf(fields) };
}

const tooLarge = (maxBytes: number) =>
  new AppError('IMAGE_TOO_LARGE', `the file is larger than ${maxBytes} bytes`);

function checkedName(name: string, seen: Readonly<Record<string, string>>): string {
  if (!FIELDS.includes(name)) {
    throw new AppError(
      'INVALID_REQUEST',
      `the form field ${JSON.stringify(name.slice(0, 64))} is not known; send topK, model and one file`,
    );
  }
  if (Object.hasOwn(seen, name)) throw new AppError('INVALID_REQUEST', `the form has ${name} twice`);
  return name;
}

/** The same bounds as in the query. */
function optionsOf(fields: Readonly<Record<string, string>>): ClassifyQuery {
  const options: Record<string, unknown> = { ...fields };
  if (fields.topK !== undefined && /^\d{1,15}$/.test(fields.topK)) options.topK = Number(fields.topK);
  const [fault] = Value.Errors(ClassifyQuery, options);
  if (fault)
    throw new AppError('INVALID_REQUEST', `the form field ${fault.instancePath.slice(1)} ${fault.message}`);
  return options as ClassifyQuery;
}

/**
 * Cuts off a form that goes on and on outside its parts (the parser bounds parts, but not what is around them), and one for which
 * there is no memory.
 */
function watchLength(
  request: FastifyRequest,
  maximum: number,
  tooLong: () => AppError,
): { readonly refusal: AppError | undefined; stop(): void } {
  let received = 0;
  const state = {
    refusal: undefined as AppError | undefined,
    stop: () => {
      request.raw.off('data', count);
    },
  };
  const count = (chunk: Buffer) => {
    if (state.refusal) return;
    received += chunk.length;
    if (received > maximum) state.refusal = tooLong();
    else if (request.bodyCount?.add(chunk.length) === false) state.refusal = bodiesTooLarge();
    else return;
    // The parser sees a form that was cut off here, and reports it.
    request.raw.emit('error', new Error('form refused'));
  };
  request.raw.on('data', count);
  return state;
}
