import { createWriteStream } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Options } from 'pacote';
import { type SetupContext, workFolder } from '../context.ts';
import { describeFailure, isFatal, SetupError } from '../failure.ts';
import { readNpmSettings } from '../npm-settings.ts';
import { withStep } from '../progress.mjs';
import { runCommand } from '../run-command.ts';
import { inspectFiles } from '../sealed-folder.ts';
import type { Wheel } from './wheels.ts';

/**
 * Downloads a wheel into `folder`. An interrupted run may have left the complete wheel there; it is used again.
 *
 * @returns path of the wheel
 * @throws an error with the code EINTEGRITY if the download does not have its hash
 */
export async function fetchWheel(wheel: Wheel, folder: string, context: SetupContext): Promise<string> {
  const target = join(folder, wheel.path);
  if ((await inspectFiles(folder, [wheel], true)) === undefined) return target;
  const name = `libtensorflow ${wheel.version}`;
  const amount = { total: wheel.bytes, unit: 'bytes' } as const;
  const step = context.progress.start('engine', `downloading ${name}`, amount);
  try {
    await withStep(
      step,
      () => `${name} downloaded`,
      async () => {
        const partial = join(workFolder(context.cacheDir), 'partial.whl');
        await mkdir(workFolder(context.cacheDir), { recursive: true });
        await download(wheel, partial, context, step.update);
        await mkdir(folder, { recursive: true });
        await rename(partial, target);
      },
    );
  } catch (error) {
    if (isFatal(error) || error instanceof SetupError) throw error;
    throw new SetupError(describeFailure(error, `downloading ${name}`), { cause: error });
  }
  return target;
}

async function download(
  wheel: Wheel,
  file: string,
  { root, environment, cacheDir }: SetupContext,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const { registry: _registry, nodedir: _nodedir, ...network } = await readNpmSettings(root, environment);
  const { default: pacote } = await import('pacote');
  // pacote fetches any address, with proxies and retries, and checks the hash while it does.
  const options: Options = { ...network, cache: join(workFolder(cacheDir), 'http') };
  const page = `${await packageIndex(environment)}/${wheel.project}/`;
  const accept = 'application/vnd.pypi.simple.v1+json, text/html;q=0.1';
  const listing = await pacote.tarball(page, { ...options, headers: { accept } } as Options);
  const integrity = `sha256-${Buffer.from(wheel.sha256, 'hex').toString('base64')}`;
  await pacote.tarball.stream(
    findFile(listing.toString('utf8'), page, wheel),
    async (stream) => {
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        onBytes(bytes);
      });
      await pipeline(stream, createWriteStream(file));
    },
    { ...options, integrity },
  );
}

/** The address of the Python package index: PIP_INDEX_URL, else pip's configuration if there is pip, else PyPI. */
async function packageIndex(environment: NodeJS.ProcessEnv): Promise<string> {
  const args = ['-m', 'pip', 'config', 'get', 'global.index-url'];
  const configured =
    environment.PIP_INDEX_URL ||
    (await runCommand('python3', args, { env: environment, timeoutMs: 20_000 }).catch(() => ''));
  const url = configured.split(/\s+/).find((word) => /^https?:/.test(word)) ?? 'https://pypi.org/simple';
  return url.replace(/(?<!\/)\/+$/, '');
}

/** The address of the wheel in an index page: JSON (PEP 691) or HTML (PEP 503). */
export function findFile(page: string, pageUrl: string, { path }: Wheel): string {
  const links = page.trimStart().startsWith('{')
    ? (JSON.parse(page) as { files: { url: string }[] }).files.map(({ url }) => url)
    : [...page.matchAll(/href="([^"]+)"/g)].map(([, url = '']) => url);
  const urls = links.map((link) => new URL(link, pageUrl));
  const found = urls.find(({ pathname }) => decodeURIComponent(pathname).endsWith(`/${path}`));
  if (!found) throw new SetupError(`${pageUrl} does not list ${path}: set PIP_INDEX_URL to another index`);
  found.hash = '';
  return found.href;
}
