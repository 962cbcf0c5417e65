import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFolder } from '../../../models/cache-folder.mjs';

// Not proper-lockfile: `npm ci` has to be guarded before any package is installed, and its orphans count as holders.

/** Milliseconds without a heartbeat after which a lock of another host or container counts as abandoned. */
const ABANDONED_AFTER_MS = 60_000;
const HEARTBEAT_MS = 5_000;
const POLL_MS = 200;

/**
 * Takes the lock file `file` and waits while another process holds it. The lock of a dead process is taken over once
 * the child processes that it adopted have ended too: an orphaned `npm ci` still writes.
 *
 * @param {string} file absolute path; its directory is created
 * @param {{ onWait?: (holder: { pid: number, host: string }) => void }} [options] onWait: called once if it must wait
 * @returns {Promise<{ adopt(pid: number): void, release(): void }>}
 */
export async function acquireLock(file, { onWait } = {}) {
  createFolder(dirname(file));
  const holder = { id: randomUUID(), pid: process.pid, host: hostname(), children: [] };
  const draft = `${file}.${holder.id}`;
  for (let isWaiting = false; !tryCreate(file, draft, holder); ) {
    const current = readHolder(file);
    if (current === undefined) continue; // released in between
    if (isAbandoned(file, current)) {
      removeAbandoned(file, current);
      continue;
    }
    if (!isWaiting) onWait?.(current);
    isWaiting = true;
    await sleep(POLL_MS);
  }
  const heartbeat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // A user removed the lock file; release() copes with that too.
    }
  }, HEARTBEAT_MS).unref();
  return {
    adopt(pid) {
      holder.children.push(pid);
      writeFileSync(draft, JSON.stringify(holder));
      renameSync(draft, file);
    },
    release() {
      clearInterval(heartbeat);
      if (readHolder(file)?.id === holder.id) rmSync(file, { force: true });
    },
  };
}

/** link() of a complete file is atomic, so no process reads half a lock. */
function tryCreate(file, draft, holder) {
  writeFileSync(draft, JSON.stringify(holder));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    // A damaged lock file has no holder.
    if (error instanceof SyntaxError) return { id: '', pid: 0, host: hostname(), children: [] };
    throw error;
  }
}

function isAbandoned(file, { host, pid, children = [] }) {
  if (host === hostname() && ![pid, ...children].some(isAlive)) return true;
  const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
  return Date.now() - mtimeMs > ABANDONED_AFTER_MS;
}

function isAlive(pid) {
  if (!pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Removes an abandoned lock. If another process already holds a new one, that one is put back. */
function removeAbandoned(file, { id }) {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
    if (readHolder(aside)?.id !== id) linkSync(aside, file);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}
