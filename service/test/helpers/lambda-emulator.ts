import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/config.ts';
import { freePort, untilAnswering } from './server-program.ts';

/** One Lambda execution environment: AWS's emulator and runtime client with our handler. */
export interface LambdaEnvironment {
  /** Invokes the function. Concurrent calls are queued, since an environment handles one event at a time. */
  invoke(event: unknown): Promise<unknown>;
  /** The function's output. */
  log(): string;
  close(): Promise<void>;
}

interface Programs {
  readonly emulator: string;
  readonly client: string;
}

/** Where .ci/run puts AWS's runtime interface emulator and client. */
export function findLambdaPrograms(): Programs | undefined {
  const { cacheDir } = loadConfig();
  const emulator = join(cacheDir, 'bin', 'aws-lambda-rie');
  const client = join(cacheDir, 'tools', 'ric', 'node_modules', 'aws-lambda-ric', 'index.mjs');
  return existsSync(emulator) && existsSync(client) ? { emulator, client } : undefined;
}

export const LAMBDA_MISSING =
  'needs the AWS Lambda runtime interface emulator and client: .ci/run installs both into the cache folder';

const HANDLERS = fileURLToPath(new URL('../../src/entrypoints', import.meta.url));

/**
 * Starts an environment for `handler` (e.g. `lambda.handler`) with the function's environment variables.
 * The function itself starts with the first event, as it does on AWS.
 */
export async function startLambda(
  { emulator, client }: Programs,
  handler: string,
  env: Readonly<Record<string, string>>,
): Promise<LambdaEnvironment> {
  const [port, apiPort] = [await freePort(), await freePort()];
  const child = spawn(
    emulator,
    [
      ...['--runtime-interface-emulator-address', `127.0.0.1:${port}`],
      ...['--runtime-api-address', `127.0.0.1:${apiPort}`],
      ...[process.execPath, client, handler],
    ],
    {
      cwd: HANDLERS,
      // A process group, so that the function ends with the emulator.
      detached: true,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        AWS_LAMBDA_FUNCTION_TIMEOUT: '29',
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '3008',
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'test-access',
        AWS_SECRET_ACCESS_KEY: 'test-secret',
        LAMBDA_TASK_ROOT: HANDLERS,
        TF_CPP_MIN_LOG_LEVEL: '2',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  await untilAnswering(`http://127.0.0.1:${port}/`, child, () => output);
  let turn: Promise<unknown> = Promise.resolve();
  const url = `http://127.0.0.1:${port}/2015-03-31/functions/function/invocations`;
  const invokeNow = async (event: unknown) => {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(event) });
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(
        `the function answered ${response.status} ${text.slice(0, 500)}\n${output.slice(-2000)}`,
      );
    }
  };
  return {
    invoke(event) {
      const answer = turn.then(() => invokeNow(event));
      turn = answer.catch(() => undefined);
      return answer;
    },
    log: () => output,
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      process.kill(-child.pid, 'SIGKILL');
      await ended;
    },
  };
}
