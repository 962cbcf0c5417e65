import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fastifyStatic, { type FastifyStaticOptions } from '@fastify/static';
import type { FastifyReply } from 'fastify';
import { packageRoot } from '../../../../models/folders.ts';
import type { App } from '../app-type.ts';
import { PAGE_CSP } from '../plugins/security.ts';
import type { Services } from '../services.ts';
import { MAX_FILES } from './batch/body.ts';

/** service/web of this package: it is served as it is written, so dist/ has no copy of it. */
const WEB = join(packageRoot(), 'service', 'web');

/** What of a model's samples/ is served: pictures, not their sources. */
const PICTURE = /^[a-z0-9][a-z0-9-]*\.jpg$/;

/** Of one form of the page: what is sent again when a line breaks. */
const PART_BYTES = 32_000_000;
/** Of one batch of the page. Each form becomes a job, and more than this goes into the store first. */
const MAX_BATCH_BYTES = 2_000_000_000;
const MAX_PARTS = 100;

/** What the page has to know before it sends anything. */
interface PageSettings {
  readonly limits: {
    readonly imageBytes: number;
    readonly imagePixels: number;
    /** Of one form, at most. The page sends smaller ones, of `partBytes`, and up to `batchBytes` in all. */
    readonly batchFiles: number;
    readonly formBytes: number;
    readonly partBytes: number;
    readonly batchBytes: number;
  };
  /** Whether batch jobs can be made here. */
  readonly batch: boolean;
  /** Names under samples/. */
  readonly samples: readonly string[];
}

/**
 * The page at /, its files under /web/, and under /samples/ the sample pictures of the default model. None of it needs a
 * key: it holds no data, and what it asks for does.
 */
export async function indexRoutes(app: App, { config, batch, models }: Services): Promise<void> {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, public: true, quiet: true };
  });
  // One route for each file that is there at start: no path is ever made of what a request says.
  const files: FastifyStaticOptions = {
    root: WEB,
    prefix: '/web/',
    wildcard: false,
    index: false,
    // Revalidated by its ETag, so that a new version of the service is a new page at once.
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
  app.get('/', { schema: { hide: true } }, (_request, reply: FastifyReply) => {
    reply.header('content-security-policy', PAGE_CSP);
    return reply.sendFile('index.html');
  });
}
