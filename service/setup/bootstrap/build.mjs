import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { createProgress, withStep } from '../progress.mjs';
import { bundle, isBundled } from './bundle.mjs';
import { acquireLock } from './lock.mjs';

const SOURCES = ['service', 'models', 'infra'];
const SETTINGS = ['tsconfig.json', 'package-lock.json', 'docker/create-bucket.mjs'];
const SKIPPED = new Set(['node_modules', 'dist', 'cdk.out', 'cdk-out']);
/** What tsc compiles or copies: TypeScript, and the plain JavaScript that set-up shares with it. */
const IS_SOURCE = /^(?!.*\.d\.ts$)(.*\.ts|(service\/setup\/(progress|bootstrap\/.*)|models\/[^/]*)\.mjs)$/;

/**
 * Compiles the sources into dist/ and bundles the programs, unless dist/ was made of exactly these sources.
 *
 * @param {string} root the directory of package.json
 */
export async function ensureBuild(root) {
  if (isBuilt(root)) return;
  const lock = await acquireLock(join(root, '.cache', 'setup.lock'));
  try {
    if (isBuilt(root)) return;
    await withStep(
      createProgress().start('build', 'compiling TypeScript'),
      (count) => `${count} files`,
      async () => {
        // Hashed first: a source that changes while tsc reads it is compiled again by the next build.
        const hash = hashSources(root);
        // tsc trusts its record of the last build and would not write a deleted output again.
        if (removeStrays(root)) rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true });
        await compile(root, (pid) => lock.adopt(pid));
        await bundle(root);
        mkdirSync(join(root, 'dist'), { recursive: true });
        writeFileSync(stampFile(root), hash);
        return sourceFiles(root).length;
      },
    );
  } finally {
    lock.release();
  }
}

const stampFile = (root) => join(root, 'dist', '.built-from');

/**
 * True if dist/ was made of exactly these sources and none of its files is missing.
 *
 * @param {string} root
 */
export function isBuilt(root) {
  const stamp = stampFile(root);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== hashSources(root)) return false;
  return isBundled(root) && sourceFiles(root).every((file) => existsSync(outputOf(root, file)));
}

/** Removes outputs whose source is gone (a deleted test must not run); returns true if a source has no output. */
function removeStrays(root) {
  const wanted = new Set(sourceFiles(root).map((file) => outputOf(root, file)));
  for (const file of SOURCES.flatMap((folder) => walk(join(root, 'dist', folder)))) {
    if (!wanted.has(file.replace(/\.map$/, ''))) rmSync(file);
  }
  return [...wanted].some((file) => !existsSync(file));
}

function hashSources(root) {
  const hash = createHash('sha256');
  for (const file of [...SETTINGS, ...sourceFiles(root)]) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

/** Every source relative to the root, in a fixed order. */
const sourceFiles = (root) =>
  SOURCES.flatMap((folder) => walk(join(root, folder)))
    .map((file) => relative(root, file).split(sep).join('/'))
    .filter((file) => IS_SOURCE.test(file))
    .sort();

const outputOf = (root, source) => join(root, 'dist', source.replace(/\.ts$/, '.js'));

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(join(folder, entry.name));
    return entry.isFile() ? [join(folder, entry.name)] : [];
  });
}

async function compile(root, onStart) {
  // Imported here: bootstrap.mjs loads this file before `npm ci`.
  const { execa } = await import('execa');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const child = execa({
    cwd: root,
    all: true,
    reject: false,
    stdin: 'ignore',
  })`${process.execPath} ${tsc} -p tsconfig.json --pretty false`;
  if (child.pid !== undefined) onStart(child.pid);
  const { all, failed, shortMessage } = await child;
  if (!failed) return;
  const [first, ...more] = all.split('\n').filter((line) => line.includes('error TS'));
  const rest = more.length > 0 ? ` (and ${more.length} more)` : '';
  throw new Error(
    `the build failed: ${first ?? (all.trim().split('\n')[0] || shortMessage)}${rest}; \`npm run build\` shows everything`,
  );
}

// `npm run build` runs this file after tsc.
if (process.argv[1] === import.meta.filename) await ensureBuild(process.cwd());
