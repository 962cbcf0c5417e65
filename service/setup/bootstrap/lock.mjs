import { randomUUID } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds without a heartbeat after which a lock held by another host or container counts as abandoned. */
const ABANDONED_AFTER_MS = 60_000;
const HEARTBEAT_MS = 5_000;
const POLL_MS = 200;

/**
 * Takes the lock file `file`, waiting for whoever holds it. A lock whose process has died (kill -9, power cut) is
 * taken over, but only once the child processes it had adopted are gone too: an orphaned `npm ci` still writes.
 *
 * @param {string} file path of the lock file; its folder is made
 * @param {{ onWait?: (holder: { pid: number, host: string }) => void }} [options] onWait: called once when it must wait
 * @returns {Promise<{ adopt(pid: number): void, release(): void }>}
 */
export async function acquireLock(file, { onWait } = {}) {
  mkdirSync(dirname(file), { recursive: true });
  const holder = { id: randomUUID(), pid: process.pid, host: hostname(), children: [] };
  let told = false;
  while (!tryCreate(file, holder)) {
    const current = readHolder(file);
    if (current === undefined) continue; // released in between
    if (isAbandoned(file, current)) {
      takeAway(file, current);
      continue;
    }
    if (!told) {
      told = true;
      onWait?.(current);
    }
    await sleep(POLL_MS);
  }
  const heartbeat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // The lock was removed by hand; there is nothing to keep alive, and release() copes.
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    adopt(pid) {
      holder.children.push(pid);
      const draft = `${file}.${holder.id}`;
      writeFileSync(draft, JSON.stringify(holder));
      renameSync(draft, file);
    },
    release() {
      clearInterval(heartbeat);
      if (readHolder(file)?.id === holder.id) rmSync(file, { force: true });
    },
  };
}

/** link() of a complete file is atomic: nobody ever reads half a lock. */
function tryCreate(file, holder) {
  const draft = `${file}.${holder.id}`;
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
    // Not ours or damaged: nobody can be holding it by our rules.
    if (error instanceof SyntaxError) return { id: '', pid: 0, host: hostname(), children: [] };
    throw error;
  }
}

function isAbandoned(file, holder) {
  if (holder.host === hostname() && ![holder.pid, ...(holder.children ?? [])].some(isAlive)) return true;
  try {
    return Date.now() - statSync(file).mtimeMs > ABANDONED_AFTER_MS;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
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

/** Removes an abandoned lock; if another process was quicker and holds a new one already, that one is put back. */
function takeAway(file, holder) {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (readHolder(aside)?.id !== holder.id) {
    try {
      linkSync(aside, file);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
  rmSync(aside, { force: true });
}
