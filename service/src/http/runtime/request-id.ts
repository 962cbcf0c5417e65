import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What may come from outside into logs and answers: no spaces, quotes or line breaks, and not much of it. */
const SANE_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/;

/** The caller's x-request-id when it is sane, else a new UUID. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE_ID.test(given) ? given : randomUUID();
}
