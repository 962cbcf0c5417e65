import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic, { type FastifyStaticOptions } from '@fastify/static';
import type { FastifyReply } from 'fastify';
import { packageRoot } from '../../../../models/folders.ts';
import type { App } from '../app-type.ts';
import { pagePolicy } from '../plugins/security.ts';
import type { Services } from '../services.ts';
import { MAX_FILES } from './batch/body.ts';
import { maxUpload } from './uploads/route.ts';

/** service/web of this package. It is served as it is, so dist/ has no copy. */
const WEB = join(packageRoot(), 'service', 'web');

/** Served files of a model's samples/: images, not their sources. */
const PICTURE = /^[a-z0-9][a-z0-9-]*\.jpg$/;

/** Size of one form of the page, the unit of retry, in bytes. */
const PART_BYTES = 32_000_000;
/** Maximum size of a batch of the page, in bytes. Each form becomes a job; larger batches go into the store first. */
const MAX_BATCH_BYTES = 2_000_000_000;
const MAX_PARTS = 100;

/** Settings that the page needs before it sends anything. */
interface PageSettings {
  readonly limits: {
    readonly imageBytes: number;
    readonly imagePixels: number;
    /** Per image of POST /uploads; `imageBytes` if there is no store. */
    readonly uploadBytes: number;
    /** Per form. The page sends forms of `partBytes`, and up to `batchBytes` in all. */
    readonly batchFiles: number;
    readonly formBytes: number;
    readonly partBytes: number;
    readonly batchBytes: number;
  };
  /** True if the service runs batch jobs. */
  readonly batch: boolean;
  /** Names under samples/. */
  readonly samples: readonly string[];
}

/**
 * The page at /, its files under /web/, and under /samples/ the sample pictures of the default model. None of it needs a
 * key, since it holds no data; the routes that it calls do.
 */
export async function indexRoutes(app: App, { config, batch, models, objects }: Services): Promise<void> {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, public: true, quiet: true };
  });
  // One route per file that exists at start: no path is built from a request.
  const files: FastifyStaticOptions = {
    root: WEB,
    prefix: '/web/',
    wildcard: false,
    index: false,
    // Revalidated by its ETag, so that a new version of the service shows its new page at once.
    cacheControl: true,
    maxAge: 0,
  };
  await app.register(fastifyStatic, files);

  const folder = join(config.modelsDir, models.defaultName, 'samples');
  const samples = existsSync(folder)
    ? (await readdir(folder)).filter((name) => PICTURE.test(name)).sort()
    : [];
  for (const name of samples) {
    app.get(`/samples/${name}`, { schema: { hide: true } }, (_request, reply: FastifyReply) =>
      reply.sendFile(name, folder, { maxAge: '1d' }),
    );
  }

  const partBytes = Math.min(PART_BYTES, config.maxFormBytes);
  const settings: PageSettings = {
    limits: {
      imageBytes: config.maxUploadBytes,
      imagePixels: config.MAX_IMAGE_PIXELS,
      uploadBytes: maxUpload(config, objects),
      batchFiles: MAX_FILES,
      formBytes: config.maxFormBytes,
      partBytes,
      batchBytes: Math.min(MAX_BATCH_BYTES, partBytes * MAX_PARTS),
    },
    batch: batch !== undefined,
    samples,
  };
  app.get('/web/settings.json', { schema: { hide: true } }, async (_request, reply) => {
    reply.header('cache-control', 'no-cache');
    return settings;
  });
  app.get('/', { schema: { hide: true } }, async (_request, reply: FastifyReply) => {
    // Without credentials for the store, the page still works; it cannot upload.
    const uploadOrigin = await objects?.uploads?.origin().catch(() => undefined);
    reply.header('content-security-policy', pagePolicy(uploadOrigin));
    return reply.sendFile('index.html');
  });
}
