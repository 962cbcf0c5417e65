import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../domain/errors.ts';
import { parseInputKey } from '../../domain/keys.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { JsonImage } from '../routes/predict/schema.ts';
import { decodeBase64, MAX_DATA_URL_PREFIX } from './base64.ts';
import { type ImageRequest, readImageForm } from './image-form.ts';
import { cutLongStrings, longStringOf } from './long-strings.ts';

/** What the bodies are checked against. */
export interface ImageBodyOptions {
  readonly config: Pick<Config, 'MAX_IMAGE_BYTES' | 'maxUploadBytes'>;
  /** Where `{ "object": key }` is looked up; without it that form is refused. */
  readonly objects?: ObjectStore;
}

/** Raw bodies: any image type, and two types that tools send when they do not know better. */
const RAW_TYPES = [/^image\//i, 'application/octet-stream', 'application/jpeg'] as const;

/** JSON Lines, under each of the names in use. */
export const JSON_LINES = [
  'application/jsonlines',
  'application/x-jsonlines',
  'application/x-ndjson',
] as const;

/** The JSON around the base64: braces, the name, the prefix of a data URL. */
const JSON_OVERHEAD_BYTES = 1024 + MAX_DATA_URL_PREFIX;

/** Teaches the app the body types of an image and of rows. Each is bounded while it arrives, by what one image may take. */
export function addImageParsers(
  app: FastifyInstance,
  config: Pick<Config, 'maxUploadBytes' | 'MAX_JSON_BYTES'>,
): void {
  const raw = { parseAs: 'buffer', bodyLimit: config.maxUploadBytes } as const;
  for (const type of RAW_TYPES) {
    app.addContentTypeParser(type as string, raw, (_request, body, done) => done(null, body));
  }
  const json = {
    parseAs: 'buffer',
    bodyLimit: Math.ceil(config.maxUploadBytes / 3) * 4 + JSON_OVERHEAD_BYTES,
  } as const;
  for (const type of ['text/csv', ...JSON_LINES]) {
    app.addContentTypeParser(type, raw, (_request, body, done) => done(null, body));
  }
  app.removeContentTypeParser('application/json');
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<Buffer>('application/json', json, (request, body, done) => {
    const longStrings: Buffer[] = [];
    const text = cutLongStrings(body, config.MAX_JSON_BYTES, longStrings);
    request.longStrings = longStrings;
    return parse(request, text, done);
  });
}

/**
 * The image of a request, whichever way it came.
 *
 * @throws AppError INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE, IMAGE_TOO_LARGE; OBJECT_NOT_FOUND and STORE_UNAVAILABLE
 */
export async function readImage(
  request: FastifyRequest,
  options: ImageBodyOptions,
  signal: AbortSignal,
): Promise<ImageRequest> {
  const image = await readBody(request, options, signal);
  if (image.bytes.length === 0) throw new AppError('INVALID_REQUEST', 'the image is empty (0 bytes)');
  if (image.bytes.length > options.config.MAX_IMAGE_BYTES) {
    throw new AppError('IMAGE_TOO_LARGE', `the image is larger than ${options.config.MAX_IMAGE_BYTES} bytes`);
  }
  return image;
}

async function readBody(
  request: FastifyRequest,
  { config, objects }: ImageBodyOptions,
  signal: AbortSignal,
): Promise<ImageRequest> {
  if (request.isMultipart()) return readImageForm(request, config.maxUploadBytes);
  const { body } = request;
  if (Buffer.isBuffer(body)) return { bytes: body };
  if (body === undefined || body === null) {
    throw new AppError('INVALID_REQUEST', 'the request has no body; send an image');
  }
  const json = body as JsonImage;
  if (json.image !== undefined) {
    return { bytes: await decodeBase64(longStringOf(json.image, request.longStrings)) };
  }
  if (!objects)
    throw new AppError('INVALID_REQUEST', 'no object store is configured here; send the image itself');
  const options = { maxBytes: config.MAX_IMAGE_BYTES, signal };
  return { bytes: await objects.get(parseInputKey(json.object ?? '', objects.uri), options) };
}
