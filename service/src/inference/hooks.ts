import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AppError, isAppError } from '../domain/errors.ts';

/**
 * The exports of a model's hooks.mjs, both optional, both may be async:
 *   preprocess   image models: encoded bytes in, encoded bytes out; tabular models: rows in, rows out
 *   postprocess  the predictions of one request in, the predictions of the response out
 * An error with `code: 'INVALID_REQUEST'` reaches the client with its message; any other becomes INTERNAL.
 */
export interface Hooks {
  preprocess<T>(input: T): Promise<T>;
  postprocess<T extends readonly unknown[]>(predictions: T): Promise<T>;
}

const NONE: Hooks = {
  preprocess: async (input) => input,
  postprocess: async (predictions) => predictions,
};

type Hook = (value: unknown) => unknown;

/**
 * Loads `<folder>/hooks.mjs` if the manifest names it; otherwise the hooks change nothing. Code comes only from the
 * manifest's folder, never from a download.
 *
 * @throws AppError INVALID_MODEL
 */
export async function loadHooks(folder: string, name: string | undefined): Promise<Hooks> {
  if (name === undefined) return NONE;
  const file = join(folder, name);
  const fail = (why: string, cause?: unknown) =>
    new AppError('INVALID_MODEL', `${file} ${why}`, {}, { cause });
  const [real, home] = await Promise.all([realpath(file), realpath(folder)]).catch((cause) => {
    throw fail('does not exist, but the manifest names it in /hooks', cause);
  });
  if (real !== join(home, name)) throw fail('is a link out of the model’s folder; copy the file there');
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(real).href);
  } catch (cause) {
    throw fail(`cannot be loaded: ${(cause as Error).message}`, cause);
  }
  const { preprocess, postprocess } = module;
  for (const [hook, value] of Object.entries({ preprocess, postprocess })) {
    if (value !== undefined && typeof value !== 'function')
      throw fail(`exports a ${hook} that is not a function`);
  }
  if (!preprocess && !postprocess) throw fail('exports neither preprocess nor postprocess');
  return {
    async preprocess(input) {
      if (!preprocess) return input;
      const result = await run('preprocess', preprocess as Hook, input);
      const same = Array.isArray(input) ? Array.isArray(result) : result instanceof Uint8Array;
      if (!same) throw wrongResult('preprocess', Array.isArray(input) ? 'rows' : 'a Uint8Array');
      return result as typeof input;
    },
    async postprocess(predictions) {
      if (!postprocess) return predictions;
      const result = await run('postprocess', postprocess as Hook, predictions);
      const isList =
        Array.isArray(result) && result.every((each) => typeof each === 'object' && each !== null);
      if (!isList) throw wrongResult('postprocess', 'a list of predictions');
      return result as unknown as typeof predictions;
    },
  };
}

async function run(name: string, hook: Hook, value: unknown): Promise<unknown> {
  try {
    return await hook(value);
  } catch (error) {
    if (isAppError(error)) throw error;
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code === 'INVALID_REQUEST') throw new AppError(code, String(message), {}, { cause: error });
    throw new AppError('INTERNAL', `the model's ${name} hook failed`, {}, { cause: error });
  }
}

const wrongResult = (name: string, what: string) =>
  new AppError('INTERNAL', `the model's ${name} hook must return ${what}`);
