import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cpu } from './cpu.ts';

/** Result of set-up's check of a compiled variant on a kind of CPU: `ok`, or the fault in one line. */
export type CheckResult = 'ok' | (string & {});

const CHECKS_FILE = 'checks.json';

/** A result holds for all CPUs with the same instruction set; machines may share a cache. */
const kindOf = ({ arch, isa, oneDnn }: Cpu): string => [arch, isa, oneDnn ? 'onednn' : 'plain'].join(' ');

/**
 * Reads the result for this kind of CPU.
 *
 * @param folder of the compiled variant; compiling it again removes its results
 * @returns undefined if the variant has not been checked on such a CPU
 */
export async function readCheck(folder: string, cpu: Cpu): Promise<CheckResult | undefined> {
  return (await readAll(folder))[kindOf(cpu)];
}

/** Records a result. The caller holds set-up's lock. */
export async function writeCheck(folder: string, cpu: Cpu, result: CheckResult): Promise<void> {
  const all = { ...(await readAll(folder)), [kindOf(cpu)]: result };
  await writeFile(join(folder, CHECKS_FILE), `${JSON.stringify(all, null, 2)}\n`);
}

async function readAll(folder: string): Promise<Record<string, CheckResult>> {
  try {
    return JSON.parse(await readFile(join(folder, CHECKS_FILE), 'utf8')) as Record<string, CheckResult>;
  } catch {
    // Missing or damaged: set-up checks the variant again.
    return {};
  }
}
