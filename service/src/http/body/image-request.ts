import type { FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import { parseObjectKey } from '../../domain/keys.ts';
import { imagesTooLarge, imageTooLarge } from '../errors/too-large.ts';
import type { JsonImages } from '../routes/predict/schema.ts';
import { ClassifyQuery, DEFAULT_TOP_K } from '../schemas/shared.ts';
import { decodeBase64 } from './base64.ts';
import { checkFields, readForm } from './form.ts';
import { longStringOf } from './long-strings.ts';

/** Maximum number of images in one request. */
export const MAX_IMAGES = 64;

/** One image of a request, read when its turn comes. */
export interface NamedImage {
  /** The name of the file in a form, or the key of the object. */
  readonly name?: string;
  /** @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE; OBJECT_NOT_FOUND and STORE_UNAVAILABLE */
  read(): Promise<Uint8Array>;
}

/** The images of a request and how to classify them. */
export interface ImageRequest {
  readonly images: readonly NamedImage[];
  /** True for one image in a form for one: the response is its classification, not a list. */
  readonly isSingle: boolean;
  readonly topK: number;
  readonly model: string | undefined;
}

/** An image and how to classify it. */
interface SingleImageRequest extends Pick<ImageRequest, 'topK' | 'model'> {
  readonly bytes: Uint8Array;
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
): Promise<SingleImageRequest> {
  const { images, topK, model } = await readImagesRequest(request, query, signal, 1);
  const [image] = images as [NamedImage];
  return { bytes: await image.read(), topK, model };
}

/**
 * The images of a request, at most `maxImages` in a form, and its options as in readImageRequest.
 *
 * @throws AppError INVALID_REQUEST, IMAGE_TOO_LARGE, PAYLOAD_TOO_LARGE
 */
export async function readImagesRequest(
  request: FastifyRequest,
  query: ClassifyQuery,
  signal: AbortSignal,
  maxImages = MAX_IMAGES,
): Promise<ImageRequest> {
  const isForm = request.mediaType === 'multipart/form-data';
  const { images, fields = {} } = isForm
    ? await readImageForm(request, request.server.config.maxUploadBytes, maxImages)
    : { images: imagesOf(request, signal) };
  const { topK = fields.topK ?? DEFAULT_TOP_K, model = fields.model } = query;
  const isSingle = images.length === 1 && (isForm || !isList(request.body));
  return { images, isSingle, topK, model };
}

const isList = (body: unknown) =>
  !Buffer.isBuffer(body) && ('images' in (body as JsonImages) || 'objects' in (body as JsonImages));

function imagesOf({ body, longStrings, server }: FastifyRequest, signal: AbortSignal): NamedImage[] {
  if (Buffer.isBuffer(body)) return [{ read: async () => body }];
  const { image, images, object, objects } = body as JsonImages;
  const maxBytes = server.config.MAX_IMAGE_BYTES;
  const texts = image === undefined ? images : [image];
  if (texts) return texts.map((text) => ({ read: () => decodeImage(text, longStrings, maxBytes) }));
  const store = server.objects;
  return (objects ?? [object ?? '']).map((name) => ({
    name,
    read: async () => store.get(parseObjectKey(name, store.uri), { maxBytes, signal }),
  }));
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

const tooManyImages = () =>
  new AppError('INVALID_REQUEST', `the form has more than ${MAX_IMAGES} images; send fewer`);

/** The files of a form, under any names, and the fields `topK` and `model`. */
async function readImageForm(
  request: FastifyRequest,
  maxBytes: number,
  maxFiles: number,
): Promise<{ readonly images: readonly NamedImage[]; readonly fields: ClassifyQuery }> {
  const images: NamedImage[] = [];
  const files = readForm(request, {
    maxBytes: maxBytes + FORM_OVERHEAD_BYTES,
    maxFileBytes: maxBytes,
    maxFiles,
    maxFields: Object.keys(ClassifyQuery.properties).length,
    ...(maxFiles === 1 ? {} : { tooMany: tooManyImages }),
    tooLarge: () => (images.length > 0 ? imagesTooLarge(maxBytes) : imageTooLarge(maxBytes)),
  });
  let part = await files.next();
  for (; !part.done; part = await files.next()) {
    const { filename, bytes } = part.value;
    images.push({ ...(filename === '' ? {} : { name: filename }), read: async () => bytes });
  }
  if (images.length === 0) {
    throw new AppError('INVALID_REQUEST', 'the form has no file part; send at least one image');
  }
  return { images, fields: checkFields(ClassifyQuery, part.value) };
}
