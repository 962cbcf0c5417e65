import type { FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import { parseObjectKey } from '../../domain/keys.ts';
import { imageTooLarge } from '../errors/too-large.ts';
import type { JsonImage } from '../routes/predict/schema.ts';
import { ClassifyQuery, DEFAULT_TOP_K } from '../schemas/shared.ts';
import { decodeBase64 } from './base64.ts';
import { checkFields, readForm } from './form.ts';
import { longStringOf } from './long-strings.ts';

/** An image and how to classify it. */
export interface ImageRequest {
  readonly bytes: Uint8Array;
  readonly topK: number;
  readonly model: string | undefined;
}

/**
 * The image of a request with an image body, and its options: those of the query win over those of the form.
 *
 * @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE; OBJECT_NOT_FOUND and STORE_UNAVAILABLE
 */
export async function readImageRequest(
  request: FastifyRequest,
  query: ClassifyQuery,
  signal: AbortSignal,
): Promise<ImageRequest> {
  const isForm = request.mediaType === 'multipart/form-data';
  const { bytes, fields = {} } = isForm
    ? await readImageForm(request, request.server.config.maxUploadBytes)
    : { bytes: await readBytes(request, signal) };
  const { topK = fields.topK ?? DEFAULT_TOP_K, model = fields.model } = query;
  return { bytes, topK, model };
}

async function readBytes(
  { body, longStrings, server }: FastifyRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (Buffer.isBuffer(body)) return body;
  const { image, object = '' } = body as JsonImage;
  const maxBytes = server.config.MAX_IMAGE_BYTES;
  if (image !== undefined) return decodeImage(image, longStrings, maxBytes);
  return server.objects.get(parseObjectKey(object, server.objects.uri), { maxBytes, signal });
}

/** A base64 image of a JSON body. @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE */
export async function decodeImage(
  text: string,
  longStrings: readonly Buffer[] | undefined,
  maxBytes: number,
): Promise<Uint8Array> {
  const bytes = await decodeBase64(longStringOf(text, longStrings));
  if (bytes.length > maxBytes) throw imageTooLarge(maxBytes);
  return bytes;
}

/** Boundaries, part headers and the two fields beside the file. */
const FORM_OVERHEAD_BYTES = 16 * 1024;

/** The only file of a form, under any name, and the fields `topK` and `model`. */
async function readImageForm(
  request: FastifyRequest,
  maxFileBytes: number,
): Promise<{ readonly bytes: Buffer; readonly fields: ClassifyQuery }> {
  const files = readForm(request, {
    maxBytes: maxFileBytes + FORM_OVERHEAD_BYTES,
    maxFileBytes,
    maxFiles: 1,
    maxFields: Object.keys(ClassifyQuery.properties).length,
    tooLarge: () => imageTooLarge(maxFileBytes),
  });
  let bytes: Buffer | undefined;
  let part = await files.next();
  for (; !part.done; part = await files.next()) bytes = part.value.bytes;
  if (!bytes) throw new AppError('INVALID_REQUEST', 'the form has no file part; send exactly one image');
  return { bytes, fields: checkFields(ClassifyQuery, part.value) };
}
