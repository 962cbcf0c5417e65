import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AppError } from '../../service/src/domain/errors.ts';

/** Name of the file in the folder of manifest.json. */
const RANGES_FILE = 'ranges.json';

const schema = Type.Object(
  {
    schemaVersion: Type.Literal(1),
    model: Type.String({ minLength: 1 }),
    version: Type.String({ minLength: 1 }),
    /** How the ranges were measured. */
    calibration: Type.Object(
      {
        images: Type.Integer({ minimum: 1 }),
        method: Type.Literal('least-squares'),
        /** SHA-256 over the pictures' SHA-256 hashes, in the order of their paths. */
        digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      },
      { additionalProperties: false },
    ),
    /** Largest absolute value of each op's output, by op name. */
    ranges: Type.Record(Type.String(), Type.Unknown()),
  },
  { additionalProperties: false },
);

export type Ranges = Omit<Static<typeof schema>, 'ranges'> & {
  readonly ranges: Readonly<Record<string, number>>;
};

/** The ranges file of the model whose manifest is in `folder`. */
export const rangesFile = (folder: string): string => join(folder, RANGES_FILE);

/**
 * Reads and checks a ranges.json.
 *
 * @param version the model's version, which the ranges must be for
 * @throws AppError INVALID_MODEL with one line that names the file and its fault
 */
export async function readRanges(file: string, version: string): Promise<Ranges> {
  const where = join(basename(dirname(file)), basename(file));
  const fail = (why: string, cause?: unknown) =>
    new AppError('INVALID_MODEL', `${where}: ${why}; run \`npm run calibrate\` again`, {}, { cause });
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      const name = basename(dirname(file));
      const message = `PRECISION=int8 needs ${where}; create it with \`npm run calibrate -- ${name} <folder of pictures>\``;
      throw new AppError('INVALID_MODEL', message, {}, { cause });
    }
    throw fail('is not valid JSON (truncated?)', cause);
  }
  const [fault] = Value.Errors(schema, value);
  if (fault) throw fail(`${fault.instancePath || '/'} ${fault.message}`);
  const document = value as Ranges;
  if (document.version !== version)
    throw fail(`is for version ${document.version}, but the model has version ${version}`);
  for (const [name, range] of Object.entries(document.ranges as Record<string, unknown>)) {
    if (typeof range !== 'number' || !Number.isFinite(range) || range <= 0) {
      throw fail(`the range of "${name}" is ${JSON.stringify(range)}, not a positive number`);
    }
  }
  return document;
}

/** Returns a function that finds the range of an op. It throws AppError INVALID_MODEL with the op's name if there is none. */
export function lookUp({ ranges }: Ranges, file: string): (op: { readonly name: string }) => number {
  return ({ name }) => {
    const range = ranges[name];
    if (range !== undefined) return range;
    const message = `${basename(dirname(file))}/${RANGES_FILE}: the range of "${name}" is missing; run \`npm run calibrate\` again`;
    throw new AppError('INVALID_MODEL', message);
  };
}
