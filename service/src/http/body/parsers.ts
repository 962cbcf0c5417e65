import type { FastifyInstance } from 'fastify';
import type { Config } from '../../config/config.ts';
import { MAX_DATA_URL_PREFIX } from './base64.ts';
import { cutLongStrings } from './long-strings.ts';

/** Raw bodies: any image type, and two that tools send if they do not know the type. */
const RAW_TYPES = [/^image\//i, 'application/octet-stream', 'application/jpeg'] as const;

/** JSON Lines, under each of the names in use. */
export const JSON_LINES = [
  'application/jsonlines',
  'application/x-jsonlines',
  'application/x-ndjson',
] as const;

/** What surrounds the base64 of an image: braces, the name, the prefix of a data URL. */
const JSON_OVERHEAD_BYTES = 1024 + MAX_DATA_URL_PREFIX;

/** Adds the parsers for bodies that hold an image or rows. Each body is limited while it arrives, by the size of one image. */
export function addBodyParsers(
  app: FastifyInstance,
  config: Pick<Config, 'maxUploadBytes' | 'MAX_JSON_BYTES'>,
): void {
  const raw = { parseAs: 'buffer', bodyLimit: config.maxUploadBytes } as const;
  for (const type of [...RAW_TYPES, 'text/csv', ...JSON_LINES]) {
    app.addContentTypeParser(type as string, raw, (_request, body, done) => done(null, body));
  }
  const json = {
    parseAs: 'buffer',
    bodyLimit: Math.ceil(config.maxUploadBytes / 3) * 4 + JSON_OVERHEAD_BYTES,
  } as const;
  app.removeContentTypeParser('application/json');
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<Buffer>('application/json', json, (request, body, done) => {
    const longStrings: Buffer[] = [];
    const text = cutLongStrings(body, config.MAX_JSON_BYTES, longStrings);
    request.longStrings = longStrings;
    return parse(request, text, done);
  });
}
