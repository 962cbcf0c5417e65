import { spawn } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort, untilAnswering } from './server-program.ts';

export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** The folder that holds the bucket's objects as files. */
  readonly folder: string;
  close(): Promise<void>;
}

/** How to install the S3 server. */
export const VERSITYGW_MISSING =
  'needs versitygw: GOBIN=~/.cache/ml-serverless/bin go install github.com/versity/versitygw/cmd/versitygw@v1.8.0, or set VERSITYGW';

/** The path of the S3 server's program: $VERSITYGW, the cache folder, or the PATH; undefined if it is in none of them. */
export async function findVersitygw(): Promise<string | undefined> {
  const cache =
    process.env.CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ml-serverless');
  const places = [
    process.env.VERSITYGW,
    join(cache, 'bin', 'versitygw'),
    ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'versitygw')),
  ];
  for (const place of places) {
    if (!place) continue;
    try {
      await access(place, constants.X_OK);
      return place;
    } catch {}
  }
  return undefined;
}

/** Credentials of the test's server, also set in this process's environment for the SDK and workers. */
const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'test-access',
  AWS_SECRET_ACCESS_KEY: 'test-secret',
  AWS_REGION: 'us-east-1',
};

/** Starts an S3 server with one bucket, on a free port of 127.0.0.1, in a temporary folder. `options` are versitygw's. */
export async function startS3Server(
  program: string,
  bucket = 'ml-serverless-test',
  options: readonly string[] = [],
): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'versitygw-'));
  await mkdir(join(folder, 'store', bucket), { recursive: true });
  await mkdir(join(folder, 'iam'));
  Object.assign(process.env, CREDENTIALS);
  const port = await freePort();
  const child = spawn(program, ['--port', `127.0.0.1:${port}`, ...options, 'posix', join(folder, 'store')], {
    env: {
      PATH: process.env.PATH,
      ROOT_ACCESS_KEY: CREDENTIALS.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_KEY: CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (part: Buffer) => {
      output = (output + part).slice(-4096);
    });
  }
  const endpoint = `http://127.0.0.1:${port}`;
  await untilAnswering(endpoint, child, () => output);
  return {
    endpoint,
    bucket,
    folder: join(folder, 'store', bucket),
    async close() {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null)
        await new Promise((done) => child.once('exit', done));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
