import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { bundle, isBundled } from './bundle.mjs';
import { acquireLock } from './lock.mjs';
import { startStep } from './step.mjs';

const SOURCES = ['service', 'models', 'infra'];
const SETTINGS = [
  'tsconfig.json',
  'package-lock.json',
  'service/setup/bootstrap/bundle.mjs',
  'docker/create-bucket.mjs',
];
const SKIPPED = new Set(['node_modules', 'dist', 'cdk.out', 'cdk-out']);

/** Compiles TypeScript into dist/, and bundles the programs, when any source differs from what dist/ was made of. */
export async function ensureBuild({ root, acquireLock }) {
  if (isBuilt(root)) return;
  const lock = await acquireLock(join(root, '.cache', 'setup.lock'));
  try {
    if (isBuilt(root)) return;
    const step = startStep('build', 'compiling TypeScript');
    // The sources may change while tsc reads them: the stamp says what they were before.
    const hash = hashSources(root);
    const missing = removeStrays(root);
    // tsc believes its record of an earlier build and would not write a deleted file again.
    if (missing) rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true });
    try {
      await compile(root, (pid) => lock.adopt(pid));
      await bundle(root);
    } catch (error) {
      step.failed();
      throw error;
    }
    mkdirSync(join(root, 'dist'), { recursive: true });
    writeFileSync(stampFile(root), hash);
    step.done(`${sourceFiles(root).length} files`);
  } finally {
    lock.release();
  }
}

const stampFile = (root) => join(root, 'dist', '.built-from');

/** True when dist/ was made of exactly these sources and none of its files is missing. */
export function isBuilt(root) {
  const stamp = stampFile(root);
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== hashSources(root)) return false;
  return isBundled(root) && sourceFiles(root).every((file) => existsSync(outputOf(root, file)));
}

/** Removes compiled files whose source is gone (a deleted test must not run on); true when a source has no output. */
export function removeStrays(root) {
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

/** Every TypeScript source relative to the root, in a fixed order. */
function sourceFiles(root) {
  return SOURCES.flatMap((folder) => walk(join(root, folder)))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => relative(root, file).split(sep).join('/'))
    .sort();
}

const outputOf = (root, source) => join(root, 'dist', source.replace(/\.ts$/, '.js'));

function walk(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : walk(join(folder, entry.name));
    return entry.isFile() ? [join(folder, entry.name)] : [];
  });
}

function compile(root, onStart) {
  return new Promise((resolve, reject) => {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const child = spawn(process.execPath, [tsc, '-p', 'tsconfig.json', '--pretty', 'false'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (child.pid !== undefined) onStart(child.pid);
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      const errors = output.split('\n').filter((line) => line.includes('error TS'));
      const first = errors[0] ?? output.trim().split('\n')[0] ?? 'no message';
      const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
      return reject(new Error(`the build failed: ${first}${more}; \`npm run build\` shows everything`));
    });
  });
}

// `npm run build`, after tsc has shown everything it finds: bundles, and notes what dist/ was made of.
if (process.argv[1] === import.meta.filename) await ensureBuild({ root: process.cwd(), acquireLock });
