import type { FastifyRequest } from 'fastify';
import type { Static, TObject } from 'typebox';
import { Value } from 'typebox/value';
import { AppError } from '../../domain/errors.ts';
import { suggestName } from '../../domain/suggest.ts';
import { imageTooLarge } from '../errors/too-large.ts';
import { bodiesTooLarge } from '../plugins/body-memory.ts';

export interface FormFile {
  /** As the client sent it; '' if it sent none. */
  readonly filename: string;
  readonly bytes: Buffer;
  /** The text fields before this file. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface FormLimits {
  /** Of the whole form, boundaries and part headers included. */
  readonly maxBytes: number;
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  readonly maxFields: number;
  /** True to refuse a text field that comes after a file. */
  readonly fieldsFirst?: boolean;
  /** The error of a form over `maxBytes`. */
  readonly tooLarge: () => AppError;
  /** The error of a form with more than `maxFiles` files, if that is not one. */
  readonly tooMany?: () => AppError;
}

/**
 * The files of a multipart form, one after the other; the next one is read when the caller asks for it.
 *
 * @returns the text fields of the whole form
 * @throws AppError INVALID_REQUEST, OVERLOADED, that of `tooLarge`; the parser's own errors have FST_ codes
 */
export async function* readForm(
  request: FastifyRequest,
  { maxBytes, maxFileBytes, maxFiles, maxFields, fieldsFirst = false, tooLarge, tooMany }: FormLimits,
): AsyncGenerator<FormFile, Readonly<Record<string, string>>> {
  if (Number(request.headers['content-length']) > maxBytes) throw tooLarge();
  const fields: Record<string, string> = {};
  let hasFile = false;
  const guard = guardLength(request, maxBytes, tooLarge);
  try {
    const limits = {
      fileSize: maxFileBytes,
      files: maxFiles,
      fields: maxFields,
      fieldSize: 1024,
      headerPairs: 32,
    };
    // Without preservePath the parser would keep the last part of a path only.
    for await (const part of request.parts({ limits, preservePath: true })) {
      if (part.type === 'file') {
        hasFile = true;
        yield { filename: part.filename ?? '', bytes: await part.toBuffer(), fields };
        continue;
      }
      const field = `the field ${quote(part.fieldname)}`;
      if (fieldsFirst && hasFile) {
        throw new AppError('INVALID_REQUEST', `${field} comes after a file; send the fields first`);
      }
      if (Object.hasOwn(fields, part.fieldname)) {
        throw new AppError('INVALID_REQUEST', `the form has ${field} twice`);
      }
      fields[part.fieldname] = String(part.value);
    }
    return fields;
  } catch (error) {
    const { code } = error as { code?: string };
    if (guard.refusal) throw guard.refusal;
    if (code === 'FST_REQ_FILE_TOO_LARGE') throw imageTooLarge(maxFileBytes);
    if (code === 'FST_FILES_LIMIT' && tooMany) throw tooMany();
    if (error instanceof AppError || code?.startsWith('FST_')) throw error;
    // The parser's own errors have no codes: a form that ends early, a missing boundary, a malformed header.
    throw new AppError(
      'INVALID_REQUEST',
      'the multipart form is truncated or malformed',
      {},
      { cause: error },
    );
  } finally {
    guard.stop();
  }
}

/** The fields of a form, checked as the same parameters are checked in a query. @throws AppError INVALID_REQUEST */
export function checkFields<S extends TObject>(
  schema: S,
  texts: Readonly<Record<string, string>>,
): Static<S> {
  const fields: Record<string, unknown> = { ...texts };
  if (texts.topK !== undefined && /^\d{1,15}$/.test(texts.topK)) fields.topK = Number(texts.topK);
  const [fault] = Value.Errors(schema, fields);
  if (!fault) return fields as Static<S>;
  const name = fault.instancePath.slice(1);
  const what =
    fault.keyword === 'boolean'
      ? `is unknown; ${suggestName(name.slice(0, 64), Object.keys(schema.properties))}`
      : fault.message;
  throw new AppError('INVALID_REQUEST', `the form field ${quote(name)} ${what}`);
}

export const quote = (name: string) => JSON.stringify(name.slice(0, 64));

/**
 * Stops a form that is too long outside its parts (the parser limits parts, not what is around them), or for which there
 * is no memory. The parser then sees a truncated form; `refusal` is the reason.
 */
function guardLength(request: FastifyRequest, maxBytes: number, tooLarge: () => AppError) {
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
    if (received > maxBytes) state.refusal = tooLarge();
    else if (request.bodyCount?.add(chunk.length) === false) state.refusal = bodiesTooLarge();
    else return;
    request.raw.emit('error', new Error('form refused'));
  };
  request.raw.on('data', count);
  return state;
}
