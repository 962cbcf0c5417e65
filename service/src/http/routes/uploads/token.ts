import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../../domain/errors.ts';
import type { UploadGrant } from '../../../storage/object-store.ts';

/** What a token permits. */
interface Permission extends Omit<UploadGrant, 'expiresInSeconds'> {
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Signs and checks what an upload to this service may create. */
export interface UploadTokens {
  issue(permission: Permission): string;
  /** @throws AppError UPLOAD_NOT_ALLOWED if the token was not issued here, was changed or has expired */
  check(token: unknown): Permission;
}

/** The secret is random, so tokens are valid in the process that issued them. */
export function createUploadTokens(): UploadTokens {
  const secret = randomBytes(32);
  const signatureOf = (payload: string) => createHmac('sha256', secret).update(payload).digest();
  return {
    issue(permission) {
      const payload = Buffer.from(JSON.stringify(permission)).toString('base64url');
      return `${payload}.${signatureOf(payload).toString('base64url')}`;
    },
    check(token) {
      const [payload = '', signature = ''] = typeof token === 'string' ? token.split('.') : [];
      const given = Buffer.from(signature, 'base64url');
      const expected = signatureOf(payload);
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw notAllowed(
          'the URL was not issued by this server, or was changed; use the URL of POST /uploads',
        );
      }
      const permission: Permission = JSON.parse(Buffer.from(payload, 'base64url').toString());
      if (Date.now() >= permission.expiresAt) {
        throw notAllowed('the URL has expired; request another one with POST /uploads');
      }
      return permission;
    },
  };
}

export const notAllowed = (message: string) => new AppError('UPLOAD_NOT_ALLOWED', message);
