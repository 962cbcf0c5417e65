import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { AppError } from '../service/src/domain/errors.ts';
import {
  FORMATS_OF,
  type ImageInput,
  type Manifest,
  manifestSchemas,
  TASKS,
  type TabularManifest,
  type Task,
} from './manifest-schema.ts';

export type {
  Feature,
  ImageInput,
  ImageManifest,
  Manifest,
  TabularManifest,
} from './manifest-schema.ts';

/** Numbers per pixel of the network's input. */
export const channelCount = ({ channels }: Pick<ImageInput, 'channels'>): number =>
  channels === 'GRAY' ? 1 : 3;

/** Numbers in one image: height * width * channels. */
export const imageLength = (input: ImageInput): number => input.height * input.width * channelCount(input);

/**
 * Reads and checks `<folder>/manifest.json`.
 *
 * @throws AppError INVALID_MODEL with one line that names the file and the field; MODEL_NOT_FOUND if the file is missing
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = join(folder, 'manifest.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new AppError('MODEL_NOT_FOUND', `no manifest at ${file}`, {}, { cause });
  }
  return parseManifest(text, file);
}

/** As readManifest, from the text; `file` is for the messages. */
export function parseManifest(text: string, file: string): Manifest {
  const fail = (why: string, cause?: unknown) =>
    new AppError('INVALID_MODEL', `${file}${why}`, {}, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail(` is not JSON: ${(cause as Error).message}`, cause);
  }
  const task = (value as { task?: unknown } | null)?.task;
  if (!TASKS.includes(task as Task)) {
    throw fail(`: /task ${JSON.stringify(task)} must be one of ${TASKS.join(', ')}`);
  }
  const [fault] = Value.Errors(manifestSchemas[task as Task], value);
  if (fault) {
    const { requiredProperties = [], additionalProperties = [] } = fault.params as Record<string, string[]>;
    const names = [...requiredProperties, ...additionalProperties].map((name) => JSON.stringify(name));
    // A closed object rejects an unknown member with a schema of `false`.
    const what = fault.keyword === 'boolean' ? 'is not a field of a manifest' : fault.message;
    throw fail(`: ${[fault.instancePath || '/', what, ...names].join(' ')}`);
  }
  const manifest = value as Manifest;
  const finding =
    checkFiles(manifest) ??
    (manifest.task === 'image-classification' ? checkImage(manifest.input) : checkFeatures(manifest));
  if (finding !== undefined) throw fail(`: ${finding}`);
  return manifest;
}

/** @returns the first fault, beginning with its field; undefined if there is none */
function checkFiles({ engine, format, entry, output, source }: Manifest): string | undefined {
  if (!(FORMATS_OF[engine] as readonly string[]).includes(format)) {
    return `/format ${format} is not supported by the engine ${engine}; use ${FORMATS_OF[engine].join(', ')}`;
  }
  const needed = [
    ['/entry', entry],
    ...('labels' in output && typeof output.labels === 'string' ? [['/output/labels', output.labels]] : []),
  ];
  for (const [field, path] of needed) {
    if (!source.files.some((known) => known.path === path)) {
      return `${field} ${JSON.stringify(path)} is not one of source.files`;
    }
  }
  if (source.npm !== undefined && source.integrity === undefined) {
    return '/source/integrity is missing; a package from npm is pinned by it';
  }
  if (source.npm !== undefined && source.s3 !== undefined) return '/source has both npm and s3; choose one';
  return undefined;
}

function checkImage(input: ImageInput): string | undefined {
  const channels = channelCount(input);
  for (const field of ['mean', 'std'] as const) {
    if (input[field].length !== channels) return `/input/${field} needs ${channels} numbers, one per channel`;
  }
  if (input.std.includes(0)) return '/input/std must not contain 0';
  const { mode, size } = input.resize;
  if (mode === 'shorter-side' && (size === undefined || size < Math.max(input.height, input.width))) {
    return "/input/resize/size must be at least the input's height and width";
  }
  return undefined;
}

function checkFeatures({ input: { features } }: TabularManifest): string | undefined {
  const seen = new Set<string>();
  for (const [index, { name, type, categories, minimum, maximum }] of features.entries()) {
    const field = `/input/features/${index}`;
    if (seen.has(name)) return `${field}/name ${JSON.stringify(name)} is a duplicate`;
    seen.add(name);
    if ((type === 'category') !== (categories !== undefined)) {
      return `${field}/categories belongs to features of type category, and only to them`;
    }
    if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
      return `${field}/minimum is above its maximum`;
    }
  }
  return undefined;
}
