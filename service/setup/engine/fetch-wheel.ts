import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Options } from 'pacote';
import { type SetupContext, workFolder } from '../context.ts';
import { describeFailure, HashMismatch, isFatal, SetupError } from '../failure.ts';
import { type NpmSettings, readNpmSettings } from '../npm-settings.ts';
import { withStep } from '../progress.ts';
import { runCommand } from '../run-command.ts';
import { inspectFiles } from '../sealed-folder.ts';
import type { Wheel } from './wheels.ts';

const DOWNLOAD_TIMEOUT_MS = 60 * 60 * 1000;

/**
 * Downloads a wheel into `folder` and checks its hash: with pip (which follows the user's own index, proxy and
 * certificate settings), or where there is no pip with a plain download from the package index. A wheel that an
 * interrupted run left there is used again if it has its hash.
 *
 * @returns path of the wheel
 */
export async function fetchWheel(wheel: Wheel, folder: string, context: SetupContext): Promise<string> {
  const kept = join(folder, wheel.path);
  if ((await inspectFiles(folder, [wheel], context.hasher)) === undefined) return kept;
  const work = join(workFolder(context.cacheDir), 'wheel');
  await mkdir(work, { recursive: true });
  const ways = [
    ['pip', downloadWithPip],
    ['the package index', downloadFromIndex],
  ] as const;
  const faults: string[] = [];
  for (const [name, download] of ways) {
    try {
      const what = `libtensorflow ${wheel.version}`;
      const step = context.progress.start('engine', `downloading ${what}`, {
        total: wheel.bytes,
        unit: 'bytes',
      });
      return await withStep(
        step,
        () => `${what} downloaded`,
        async () => {
          const file = await download(wheel, work, context, (bytes) => step.update(bytes));
          const found = await context.hasher.digest(file);
          if (found.sha256 !== wheel.sha256) {
            throw new HashMismatch(
              `${wheel.path} has SHA-256 ${found.sha256} instead of ${wheel.sha256}: it was changed on its way here`,
            );
          }
          await mkdir(folder, { recursive: true });
          await rename(file, kept);
          return kept;
        },
      );
    } catch (error) {
      if (isFatal(error)) throw error;
      faults.push(describeFailure(error, name));
      if (name === 'pip') context.progress.notice('engine', `${faults[0]}; trying a plain download`);
    }
  }
  throw new SetupError(`libtensorflow could not be downloaded (${faults.at(-1)})`);
}

/** How pip says that a file is not the one that was pinned. */
const PIP_MISMATCH = /DO NOT MATCH THE HASHES|Expected sha256/;

type Download = (
  wheel: Wheel,
  folder: string,
  context: SetupContext,
  onBytes: (bytes: number) => void,
) => Promise<string>;

const downloadWithPip: Download = async (wheel, folder, { environment }, onBytes) => {
  const requirements = join(folder, 'requirements.txt');
  await writeFile(requirements, `${wheel.project}==${wheel.version} --hash=sha256:${wheel.sha256}\n`);
  const temporary = join(folder, 'pip');
  await mkdir(temporary, { recursive: true });
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary', ':all:', '--require-hashes'];
  args.push(
    '--platform',
    wheel.platform,
    '--implementation',
    'cp',
    '--python-version',
    '311',
    '--abi',
    'cp311',
  );
  args.push('--no-cache-dir', '--progress-bar', 'off', '--disable-pip-version-check', '--no-input');
  args.push('--dest', folder, '--requirement', requirements);
  // pip prints no byte counts to a pipe: its growing file tells.
  const poll = setInterval(() => void largestFile(temporary).then(onBytes), 200);
  try {
    await runCommand('python3', args, {
      env: { ...environment, TMPDIR: temporary },
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    });
  } catch (error) {
    if (!PIP_MISMATCH.test(describeFailure(error))) throw error;
    throw new HashMismatch(
      `pip: ${wheel.path} does not have the expected hash: it was changed on its way here`,
    );
  } finally {
    clearInterval(poll);
  }
  return join(folder, wheel.path);
};

/** Bytes of the largest file under a folder that other programs are changing meanwhile. */
async function largestFile(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0),
  );
  return Math.max(0, ...sizes);
}

const downloadFromIndex: Download = async (wheel, folder, { root, environment }, onBytes) => {
  const { nodedir: _, ...settings } = await readNpmSettings(root, environment).catch(
    (): NpmSettings => ({ registry: '', strictSSL: true }),
  );
  const { default: pacote } = await import('pacote');
  // pacote fetches any address, with proxies, retries and integrity; its own cache stays in the work folder.
  const options = { ...settings, cache: join(folder, 'http') };
  const index = (environment.PIP_INDEX_URL || 'https://pypi.org/simple').replace(/(?<!\/)\/+$/, '');
  const page = await pacote.tarball(`${index}/${wheel.project}/`, {
    ...options,
    headers: { accept: 'application/vnd.pypi.simple.v1+json' },
  } as Options);
  const url = findFile(page.toString('utf8'), `${index}/${wheel.project}/`, wheel);
  const integrity = `sha256-${Buffer.from(wheel.sha256, 'hex').toString('base64')}`;
  const partial = join(folder, 'partial.whl');
  await pacote.tarball.stream(
    url,
    async (stream) => {
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        onBytes(bytes);
      });
      await pipeline(stream, createWriteStream(partial));
    },
    { ...options, integrity },
  );
  await rename(partial, join(folder, wheel.path));
  return join(folder, wheel.path);
};

/** The address of the file with the wheel's hash in an index page as PEP 691 defines it. */
export function findFile(page: string, pageUrl: string, wheel: Wheel): string {
  let files: ReadonlyArray<{ url: string; hashes?: Record<string, string> }>;
  try {
    files = (JSON.parse(page) as { files: typeof files }).files;
  } catch (cause) {
    throw new SetupError(
      `${pageUrl} does not answer as a package index with JSON (PEP 691): unset PIP_INDEX_URL or install pip`,
      { cause },
    );
  }
  const found = files.find(({ hashes }) => hashes?.sha256 === wheel.sha256);
  if (!found) throw new SetupError(`${pageUrl} does not list ${wheel.path}`);
  return new URL(found.url, pageUrl).href;
}
