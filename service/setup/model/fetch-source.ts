import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Manifest } from '../../../models/manifest.ts';
import { type SetupContext, workFolder } from '../context.ts';
import { describeFailure, SetupError } from '../failure.ts';
import type { Hasher } from '../hasher.ts';
import { readNpmSettings } from '../npm-settings.ts';
import { withStep } from '../progress.ts';
import { inspectFiles, replaceFolder } from '../sealed-folder.ts';

/** Checks a model's files against the hashes in its manifest; undefined when all is well, else what is wrong. */
export function inspectSource(
  manifest: Manifest,
  folder: string,
  hasher: Hasher,
): Promise<string | undefined> {
  return inspectFiles(folder, manifest.source.files, hasher);
}

/**
 * Makes sure that `folder` holds the files of `manifest.source` with exactly their hashes; fetches the npm package by
 * exact version and integrity when it does not, and keeps only those files of it.
 *
 * @throws SetupError when files without a package to fetch are wrong, or the package cannot be had
 */
export async function ensureSource(manifest: Manifest, folder: string, context: SetupContext): Promise<void> {
  const { npm, integrity, files } = manifest.source;
  const fault = await inspectSource(manifest, folder, context.hasher);
  if (fault === undefined) return;
  if (npm === undefined || integrity === undefined) {
    throw new SetupError(
      `model ${manifest.name}: ${fault} (${folder}): restore the file or correct the manifest`,
    );
  }
  if (!/ is missing$/.test(fault)) {
    context.progress.notice('model', `${manifest.name} is fetched anew: ${fault}`);
  }
  const workDir = workFolder(context.cacheDir);
  const draft = join(workDir, `source-${manifest.name}`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  try {
    await fetchPackage(manifest.name, npm, integrity, draft, files, context);
    const wrong = await inspectFiles(join(draft, 'kept'), files, context.hasher);
    if (wrong !== undefined) throw new SetupError(`${npm} does not hold what the manifest says: ${wrong}`);
    await replaceFolder(join(draft, 'kept'), folder, workDir);
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(describeFailure(error, `fetching ${npm}`), { cause: error });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Downloads, unpacks, and moves the wanted files to `draft`/kept. */
async function fetchPackage(
  name: string,
  npm: string,
  integrity: string,
  draft: string,
  files: Manifest['source']['files'],
  context: SetupContext,
): Promise<void> {
  const { nodedir: _, ...settings } = await readNpmSettings(context.root, context.environment);
  // Only now: it takes a quarter of a second to load, which a start that has everything need not spend.
  const { default: pacote } = await import('pacote');
  // The download's own cache stays in the work folder and goes with it.
  const options = { ...settings, cache: join(draft, 'http'), integrity };
  const { dist } = await pacote.manifest(npm, { ...options, fullMetadata: true });
  const total = (dist as { unpackedSize?: number } | undefined)?.unpackedSize;
  const tarball = join(draft, 'package.tgz');
  const step = context.progress.start('model', `downloading ${name}`, {
    total: total ?? files.reduce((sum, { bytes }) => sum + bytes, 0),
    unit: 'bytes',
  });
  await withStep(
    step,
    () => `${name} downloaded`,
    async () => {
      await pacote.tarball.stream(npm, (stream) => writeCounting(stream, tarball, step.update), options);
      await pacote.extract(`file:${tarball}`, join(draft, 'package'), {
        cache: join(draft, 'http'),
        integrity,
      });
      for (const { path } of files) {
        const to = join(draft, 'kept', path);
        await mkdir(dirname(to), { recursive: true });
        await rename(join(draft, 'package', path), to);
      }
    },
  );
}

/** Writes a .tgz and reports how many bytes of its content have come: the registry tells that size, not the packed one. */
async function writeCounting(
  stream: NodeJS.ReadableStream,
  file: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const gunzip = createGunzip();
  let bytes = 0;
  gunzip.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    onBytes(bytes);
  });
  // A damaged download fails the write below, which reports it; without a listener the event would end the process.
  gunzip.on('error', () => {});
  const counter = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      gunzip.write(chunk, (error) => done(error, chunk));
    },
  });
  try {
    await pipeline(stream, counter, createWriteStream(file));
  } finally {
    gunzip.destroy();
  }
}
