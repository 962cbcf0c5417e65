import { AppError } from '../../domain/errors.ts';
import { quote } from './form.ts';

/** The name of a client's file, which may be a path: `cats/a.jpg`. @throws AppError INVALID_REQUEST */
export function relativePath(name: string): string {
  const names = name.split(/[\\/]/);
  const isAbsolute = /^([A-Za-z]:)?[\\/]/.test(name);
  if (isAbsolute || name.includes('\0') || names.some((each) => /^\.{0,2}$/.test(each))) {
    throw new AppError(
      'INVALID_REQUEST',
      `the file name ${quote(name)} cannot be used; send a relative path without empty names, "." and ".."`,
    );
  }
  return name;
}
