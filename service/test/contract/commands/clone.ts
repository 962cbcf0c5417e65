import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot, root } from '../../helpers/root.ts';
import { freePort, untilAnswering } from '../../helpers/server-program.ts';
import { until } from '../../helpers/until.ts';

/** A folder in which the pages' commands can be typed, and the one service that they talk to. */
export interface Clone {
  readonly folder: string;
  /** Runs a line as a reader's shell would. @returns its output; `fault` when it did not end with status 0 */
  run(line: string): Promise<{ readonly stdout: string; readonly fault: string | undefined }>;
  /** The end of what the service has logged. */
  log(): string;
  close(): Promise<void>;
}

/** Not for the clone: what the commands write, and what no command reads. */
const LEFT_OUT = new Set(['data', '.git', 'cdk.out']);
/** The reader's own pictures. */
const PICTURES = ['cat.jpg', 'one.jpg', 'two.jpg'];
/** Longest time of one command, in milliseconds. */
const WITHIN_MS = 120_000;

/**
 * Makes a folder that looks like a fresh clone (links to this one, and its own data/), and starts the service in it by `npm start`, on a
 * free port, with its log in service.log.
 *
 * @param env more of the environment that the service is started in
 */
export async function openClone(env: Readonly<Record<string, string>>): Promise<Clone> {
  const folder = mkdtempSync(join(tmpdir(), 'commands-'));
  for (const name of readdirSync(root)) {
    if (!LEFT_OUT.has(name)) symlinkSync(fromRoot(name), join(folder, name));
  }
  const sample = fromRoot('models', 'resnet50', 'samples', 'balloon.jpg');
  for (const name of PICTURES) copyFileSync(sample, join(folder, name));
  // curl ends with status 0 whatever it is answered, unless it is told otherwise.
  const home = join(folder, '.home');
  mkdirSync(home);
  writeFileSync(join(home, '.curlrc'), 'silent\nshow-error\nfail-with-body\n');

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = openSync(join(folder, 'service.log'), 'a');
  const service = spawn('npm', ['start'], {
    cwd: folder,
    env: { ...environment(), PORT: String(port), ...env },
    // A group of its own: npm, its shell and the service are ended together.
    detached: true,
    stdio: ['ignore', log, log],
  });
  const output = () => readFileSync(join(folder, 'service.log'), 'utf8').slice(-2000);
  try {
    await untilReady(url, service, output);
  } catch (error) {
    await end(service);
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    folder,
    log: output,
    run: (line) =>
      new Promise((done) => {
        const options = {
          cwd: folder,
          env: { ...environment(), CURL_HOME: home, ML_SERVERLESS_URL: url },
          timeout: WITHIN_MS,
          maxBuffer: 32 * 1024 ** 2,
        };
        const typed = line.replaceAll('localhost:8080', `localhost:${port}`);
        execFile('bash', ['-o', 'pipefail', '-c', typed], options, (error, stdout, stderr) => {
          const status = error?.code ?? error?.signal ?? error?.message;
          done({ stdout, fault: error ? `status ${status}: ${(stderr || stdout).slice(-500)}` : undefined });
        });
      }),
    async close() {
      await end(service);
      // A worker may still be writing its last files.
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** The environment without what npm and the test runner have set for themselves. */
function environment(): NodeJS.ProcessEnv {
  const own = /^(npm_|INIT_CWD$|NODE_TEST_CONTEXT$|ML_SERVERLESS_|STORE$|HOST$|PORT$|API_KEYS)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

async function untilReady(url: string, service: ChildProcess, output: () => string): Promise<void> {
  await untilAnswering(`${url}/health/live`, service, output);
  await until('readiness', async () => (await fetch(`${url}/health/ready`)).ok);
}

async function end(service: ChildProcess): Promise<void> {
  if (service.pid === undefined) return;
  const ended = new Promise((done) => service.once('close', done));
  if (service.exitCode !== null || service.signalCode !== null) return;
  process.kill(-service.pid, 'SIGTERM');
  await ended;
}
