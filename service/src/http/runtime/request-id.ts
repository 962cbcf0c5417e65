import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Ids that are safe in logs and responses: short, without spaces, quotes and line breaks. */
const SANE_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** The caller's x-request-id if it is safe, else a new UUID. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE_ID.test(given) ? given : randomUUID();
}
