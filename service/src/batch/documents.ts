import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { AppError, isAppError } from '../domain/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** No document of a job is larger: 10,000 keys of 1,024 bytes, escaped. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/**
 * Reads a JSON document and checks it; undefined if it is not there.
 *
 * @throws AppError INTERNAL when it is not what was written (somebody else's file in its place)
 */
export async function readDocument<const S extends TSchema>(
  objects: ObjectStore,
  key: string,
  schema: S,
): Promise<Static<S> | undefined> {
  let text: string;
  try {
    text = (await objects.get(key, { maxBytes: MAX_DOCUMENT_BYTES })).toString();
  } catch (error) {
    if (isAppError(error, 'OBJECT_NOT_FOUND')) return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (Value.Check(schema, value)) return value;
  } catch (cause) {
    throw new AppError('INTERNAL', `${key} is not JSON`, {}, { cause });
  }
  throw new AppError(
    'INTERNAL',
    `${key} does not have the form of such a document; remove it if it is not yours`,
  );
}

/**
 * Writes a document that is written once. Of several writers the first one wins, and all get its content.
 */
export async function writeOnce<const S extends TSchema>(
  objects: ObjectStore,
  key: string,
  schema: S,
  value: Static<S>,
): Promise<Static<S>> {
  try {
    await objects.put(key, `${JSON.stringify(value)}\n`, { ifAbsent: true, contentType: 'application/json' });
    return value;
  } catch (error) {
    if (!isAppError(error, 'CONFLICT')) throw error;
    return (await readDocument(objects, key, schema)) ?? value;
  }
}

/** Makes an empty object whose name says it all; no error if it is there already. */
export async function mark(objects: ObjectStore, key: string): Promise<void> {
  await objects.put(key, '');
}
