import { AppError } from '../../domain/errors.ts';
import { unusableKey } from './paths.ts';

/** There is no object at this path: no entry, a folder, a file in the place of a folder, or a symbolic link. */
const ABSENT = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ERR_FS_EISDIR', 'ELOOP'];

/** The file system cannot have a file of this name. */
const UNUSABLE: Readonly<Record<string, string>> = {
  ENAMETOOLONG: 'a part of it is too long for the file system',
  EINVAL: 'the file system does not allow these characters',
  EILSEQ: 'the file system does not allow these characters',
};

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: ': the disk is full',
  EDQUOT: ': the quota is used up',
  EACCES: ': permission denied',
  EROFS: ': read-only',
};

export const isAbsent = (error: unknown) => ABSENT.includes(codeOf(error) ?? '');

/**
 * Runs `action` and maps the errors of the file system to AppErrors: OBJECT_NOT_FOUND, INVALID_REQUEST for a key that
 * the file system cannot hold, or STORE_UNAVAILABLE. AppErrors and aborts pass unchanged.
 *
 * @param key or prefix or path, for the message
 */
export async function mapErrors<T>(key: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const code = codeOf(error);
    if (error instanceof AppError || code === undefined || (error as Error).name === 'AbortError')
      throw error;
    const reason = UNUSABLE[code];
    if (reason !== undefined) throw unusableKey(key, reason, error);
    if (isAbsent(error)) throw notFound(key, error);
    const message = `the folder of the store fails at ${JSON.stringify(key)} with ${code}${REASONS[code] ?? ''}`;
    throw new AppError('STORE_UNAVAILABLE', message, {}, { cause: error });
  }
}

export function notFound(key: string, cause?: unknown): AppError {
  return new AppError(
    'OBJECT_NOT_FOUND',
    `there is no object ${JSON.stringify(key)} in the store`,
    {},
    { cause },
  );
}

function codeOf(error: unknown): string | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : undefined;
}
