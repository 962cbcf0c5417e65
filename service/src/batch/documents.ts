import type { Readable } from 'node:stream';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { AppError, isAppError } from '../domain/errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** The largest document has 10,000 keys of 1,024 bytes, escaped. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/**
 * Reads a JSON document and checks it against its schema; undefined if it does not exist.
 *
 * @throws AppError INTERNAL if another program has replaced it
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
    `${key} does not match its schema; remove it if this service did not write it`,
  );
}

/** Writes a document once: of several writers the first one wins, and all of them get its document. */
export async function writeOnce<const S extends TSchema>(
  objects: ObjectStore,
  key: string,
  schema: S,
  value: Static<S>,
): Promise<Static<S>> {
  const isCreated = await createObject(objects, key, `${JSON.stringify(value)}\n`, 'application/json');
  return isCreated ? value : ((await readDocument(objects, key, schema)) ?? value);
}

/** @returns false if the object exists already; it is left as it is */
export async function createObject(
  objects: ObjectStore,
  key: string,
  body: string | Readable,
  contentType: string,
): Promise<boolean> {
  try {
    await objects.put(key, body, { ifAbsent: true, contentType });
    return true;
  } catch (error) {
    if (isAppError(error, 'CONFLICT')) return false;
    throw error;
  }
}

/** Writes a marker: an empty object whose name holds the information. */
export async function mark(objects: ObjectStore, key: string): Promise<void> {
  await objects.put(key, '');
}

export async function exists(objects: ObjectStore, key: string): Promise<boolean> {
  try {
    await objects.head(key);
    return true;
  } catch (error) {
    if (isAppError(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}
