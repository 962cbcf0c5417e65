import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../../../config/config.ts';
import { uploadKey } from '../../../domain/keys.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import type { App } from '../../app-type.ts';
import { relativePath } from '../../body/file-path.ts';
import { uploadTooLarge } from '../../errors/too-large.ts';
import { refuseWritesIfOff } from '../../runtime/refuse-writes.ts';
import { problems } from '../../schemas/shared.ts';
import { UploadRequest, UploadResponse } from './schema.ts';
import { createUploadTokens, notAllowed, type UploadTokens } from './token.ts';

/** How long a URL can be used. A slow line needs longer than a request body may take here (REQUEST_TIMEOUT_MS). */
const EXPIRES_IN_SECONDS = 900;

/** Maximum bytes of an upload: the store has the limit of an image, this service that of a body. */
export const maxUpload = (config: Config, objects: ObjectStore | undefined): number =>
  objects?.uploads && config.BATCH_REQUESTS === 'on' ? config.MAX_IMAGE_BYTES : config.maxUploadBytes;

/**
 * POST /uploads: URLs with which clients put large images into the store. They lead to the store itself, or, if clients
 * cannot reach it, to PUT /uploads.
 */
export function uploadRoutes(app: App): void {
  const tokens = createUploadTokens();
  app.post(
    '/uploads',
    {
      onRequest: refuseWritesIfOff('PUT'),
      schema: {
        operationId: 'createUpload',
        summary: 'Get a URL for an image',
        description:
          'For images that are too large for a request body. `PUT` the file to `url` with `headers`, once, before `expiresAt`; no API key is needed. Then send `key` as `object` to POST /predict or in `objects` to POST /batch. The object expires after two days.',
        tags: ['predict'],
        body: { content: { 'application/json': { schema: UploadRequest } } },
        response: {
          201: {
            description: 'The URL, and the key of the object that it creates',
            content: { 'application/json': { schema: UploadResponse } },
          },
          ...problems(
            'UNAUTHORIZED',
            'METHOD_NOT_ALLOWED',
            'REQUEST_TIMEOUT',
            'IMAGE_TOO_LARGE',
            'UNSUPPORTED_MEDIA_TYPE',
            'OVERLOADED',
            'STORE_UNAVAILABLE',
          ),
        },
      },
    },
    async ({ body }, reply) => {
      reply.code(201).header('cache-control', 'no-store');
      return signUpload(body as UploadRequest, app, tokens);
    },
  );
  app.register(async (scope) => receiveUploads(scope as App, tokens));
}

async function signUpload(
  { size, name = 'image', type = 'application/octet-stream' }: UploadRequest,
  { config, objects }: App,
  tokens: UploadTokens,
): Promise<UploadResponse> {
  const maxBytes = maxUpload(config, objects);
  if (size > maxBytes) throw uploadTooLarge(maxBytes);
  const key = uploadKey(randomBytes(16).toString('hex'), relativePath(name));
  const expiresAt = Date.now() + EXPIRES_IN_SECONDS * 1000;
  const signed = (await objects.uploads?.sign({ key, size, type, expiresInSeconds: EXPIRES_IN_SECONDS })) ?? {
    url: `/uploads?token=${tokens.issue({ key, size, type, expiresAt })}`,
    headers: { 'content-type': type },
  };
  return { key, ...signed, expiresAt: new Date(expiresAt).toISOString() };
}

/** PUT /uploads behaves as the store does: the URL is the credential, and decides key, size and type. */
function receiveUploads(scope: App, tokens: UploadTokens): void {
  const { config } = scope;
  const permissionOf = ({ query, headers }: FastifyRequest) => {
    const permission = tokens.check((query as Record<string, unknown>).token);
    if (headers['content-type'] !== permission.type) {
      throw notAllowed(`the URL is for the Content-Type ${permission.type}`);
    }
    return permission;
  };
  const checkSize = (bytes: number, size: number) => {
    if (bytes !== size) throw notAllowed(`the URL is for a body of ${size} bytes; this one has ${bytes}`);
  };
  scope.removeAllContentTypeParsers();
  const raw = { parseAs: 'buffer', bodyLimit: config.maxUploadBytes } as const;
  scope.addContentTypeParser('*', raw, (_request, body, done) => done(null, body));
  scope.put(
    '/uploads',
    {
      config: { public: true },
      schema: { hide: true },
      // Before the body is read.
      onRequest: async (request) => {
        const { size } = permissionOf(request);
        const { 'content-length': length } = request.headers;
        if (length !== undefined) checkSize(Number(length), size);
      },
    },
    async (request, reply: FastifyReply) => {
      const { key, size, type } = permissionOf(request);
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      checkSize(body.length, size);
      await scope.objects.put(key, body, { contentType: type, ifAbsent: true });
      return reply.code(200).send();
    },
  );
}
