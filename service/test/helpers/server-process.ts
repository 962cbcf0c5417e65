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
}

const SERVER = fromRoot('dist', 'bundle', 'server.js');

export function spawnServer(
  env: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): ServerProcess {
  const store = mkdtempSync(join(tmpdir(), 'server-store-'));
  const child = spawn(process.execPath, [SERVER, ...args], {
    env: { ...process.env, PORT: '0', STORE: `file:${store}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
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
  return { child, stdout: () => stdout, stderr: () => stderr, url, exit };
}
