// A list of checks that run one after the other, each told in one line, and what they share: running programs, waiting.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const counts = { passed: 0, failed: 0, skipped: 0 };

/** Runs `work`; a failure is told and counted, and the next check goes on. @returns whether it passed */
export async function check(name, work) {
  const began = performance.now();
  try {
    const note = await work();
    counts.passed++;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    print(`ok    ${name} (${seconds} s)${note ? `: ${note}` : ''}`);
    return true;
  } catch (error) {
    counts.failed++;
    print(`FAIL  ${name}: ${error.message}`);
    return false;
  }
}

export function skip(name, reason) {
  counts.skipped++;
  print(`skip  ${name}: ${reason}`);
}

/** Prints the sum. @returns the exit status */
export function finish() {
  print(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed === 0 ? 0 : 1;
}

export const print = (text) => process.stdout.write(`${text}\n`);

/**
 * Runs a program to its end. Output beyond 1 MB is dropped from its beginning.
 *
 * @param {{ input?: Buffer | string, env?: object, cwd?: string, statuses?: number[], timeoutMs?: number }} [options]
 *   statuses: those that are no failure
 * @returns {Promise<{ status: number, stdout: string, stderr: string }>}
 */
export function run(program, args, { input, env, cwd, statuses = [0], timeoutMs = 20 * 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      cwd,
      timeout: timeoutMs,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (part) => {
        output[name] = (output[name] + part).slice(-1_000_000);
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const status = code ?? signal;
      if (statuses.includes(status)) return resolve({ status, ...output });
      const last = (output.stderr.trim() || output.stdout.trim()).split('\n').slice(-12).join('\n      ');
      return reject(
        new Error(`${program} ${args.slice(0, 4).join(' ')} … ended with ${status}\n      ${last}`),
      );
    });
    if (input !== undefined) {
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    }
  });
}

/** Repeats `probe` until it answers something true; fails after `withinMs` with what it said last. */
export async function until(what, probe, withinMs = 120_000) {
  const end = Date.now() + withinMs;
  let last = '';
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found) return found;
    } catch (error) {
      last = `: ${error.cause?.message ?? error.message}`;
    }
    await sleep(250);
  }
  throw new Error(`${what} did not happen within ${withinMs / 1000} s${last}`);
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}
