import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { repositoryRoot } from './repository-root.ts';

export interface Finished {
  /** Exit status; undefined if the command does not exist or timed out. */
  readonly status: number | undefined;
  readonly stdout: string;
  /** The last line of stderr, without colours. */
  readonly complaint: string;
  readonly isMissing: boolean;
}

/** Runs a read-only command, for at most 60 seconds and 8 MiB of output. */
export function ask(command: string, args: readonly string[]): Finished {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 8 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = `${stderr ?? ''}\n${error?.message ?? ''}`.split('\n').map((line) => line.trim());
  return {
    status: status ?? undefined,
    stdout: stdout ?? '',
    complaint: lines.filter(Boolean).at(-1) ?? '',
    isMissing: (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT',
  };
}

/** Runs this repository's `cdk` in infra/ on this terminal. @returns its exit status; 1 after a signal */
export function runCdk(args: readonly string[]): Promise<number> {
  const root = repositoryRoot();
  const cdk = join(root, 'node_modules', 'aws-cdk', 'bin', 'cdk');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cdk, ...args], { cwd: join(root, 'infra'), stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (status) => resolve(status ?? 1));
  });
}
