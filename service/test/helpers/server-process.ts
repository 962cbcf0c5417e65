import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from './root.ts';

/** A server in a process of its own, on a free port. */
export interface ServerProcess {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Its address, once it has logged that it is ready. Rejects if it ends before. */
  readonly url: Promise<string>;
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Ends it and its children at once. */
  kill(): void;
}

const SERVER = fromRoot('dist', 'bundle', 'server.js');

/** @param program starts the server: node on the bundle, or npm */
export function spawnServer(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
  program: readonly [string, ...string[]] = [process.execPath, SERVER],
): ServerProcess {
  const store = mkdtempSync(join(tmpdir(), 'server-store-'));
  const [command, ...first] = program;
  const child = spawn(command, [...first, ...args], {
    env: { ...process.env, PORT: '0', STORE: `file:${store}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that `kill` ends npm, its shell and the server.
    detached: command !== process.execPath,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const exit = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.on('close', (code, signal) => {
      rmSync(store, { recursive: true, force: true });
      done({ code, signal });
    });
  });
  const url = new Promise<string>((done, fail) => {
    child.stdout.on('data', () => {
      const found = /"url":"(http:[^"]+)"/.exec(stdout)?.[1];
      if (found) done(found);
    });
    void exit.then(({ code }) => fail(new Error(`server ended with ${code}: ${stderr}`)));
  });
  url.catch(() => {});
  const kill = () => {
    if (command === process.execPath || child.pid === undefined) return void child.kill('SIGKILL');
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group has ended.
    }
  };
  return { child, stdout: () => stdout, stderr: () => stderr, url, exit, kill };
}
