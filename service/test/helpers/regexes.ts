import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Token, tokenizer } from 'acorn';

/** A regular expression, and the files that contain it. */
export interface FoundRegex {
  readonly source: string;
  readonly flags: string;
  readonly files: readonly string[];
}

/**
 * The regular expressions under `root`: literals, and patterns of JSON schemas. Tests and benchmarks are left out, since their input is ours.
 * TypeScript is read as built, under dist/.
 */
export function regexesOf(root: string): FoundRegex[] {
  const found = new Map<string, FoundRegex>();
  for (const file of programsOf(root)) {
    const path = join(root, file.endsWith('.ts') ? `dist/${file.replace(/\.ts$/, '.js')}` : file);
    if (!existsSync(path)) throw new Error(`${path} is not built`);
    for (const { source, flags } of regexesIn(readFileSync(path, 'utf8'))) {
      const key = `/${source}/${flags}`;
      found.set(key, { source, flags, files: [...(found.get(key)?.files ?? []), file] });
    }
  }
  return [...found.values()];
}

const FOLDERS = ['service', 'models', 'infra', 'docker'];

/** Source files of production and set-up, relative to `root`. */
const programsOf = (root: string) =>
  FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
      .filter((path) => /\.(ts|js|mjs)$/.test(path) && !path.endsWith('.d.ts'))
      .filter((path) => !/\/(test|bench|node_modules|cdk\.out)\//.test(path)),
  );

/** The regular expressions of one JavaScript text. */
export function* regexesIn(text: string): Generator<{ readonly source: string; readonly flags: string }> {
  let before: unknown;
  let last: unknown;
  const options = { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true } as const;
  // acorn's types lack `value`.
  for (const { type, value } of tokenizer(text, options) as Iterable<Token & { readonly value?: unknown }>) {
    if (type.label === 'regexp') {
      const { pattern, flags } = value as { pattern: string; flags: string };
      yield { source: pattern, flags };
    }
    // `pattern: '...'`, as in a JSON schema: validators compile it with the flag u.
    if (type.label === 'string' && last === ':' && before === 'pattern') {
      yield { source: String(value), flags: 'u' };
    }
    before = last;
    last = type.label === ':' ? ':' : value;
  }
}
