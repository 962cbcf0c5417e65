import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SetupContext } from '../context.ts';
import { missingTools } from './build-addon.ts';

const RETRY_AFTER_MS = 24 * 60 * 60 * 1000;

interface FailedAttempt {
  readonly reasons: readonly string[];
  /** What was missing then: once it is installed, the attempt is worth repeating. */
  readonly missingTools: string | null;
}

const file = ({ cacheDir }: SetupContext) => join(cacheDir, 'engine', 'failed.json');

/** Notes that no TensorFlow could be had: every start would otherwise spend its time on failing again. */
export async function rememberFailure(context: SetupContext, reasons: readonly string[]): Promise<void> {
  const attempt: FailedAttempt = { reasons, missingTools: (await missingTools(context.environment)) ?? null };
  await mkdir(dirname(file(context)), { recursive: true });
  await writeFile(file(context), JSON.stringify(attempt));
}

export async function forgetFailure(context: SetupContext): Promise<void> {
  await rm(file(context), { force: true });
}

/** Why the engine could not be had within the last day, or undefined when trying (again) is right. */
export async function recallFailure(context: SetupContext): Promise<string | undefined> {
  try {
    const { mtimeMs } = await stat(file(context));
    if (Date.now() - mtimeMs > RETRY_AFTER_MS) return undefined;
    const attempt = JSON.parse(await readFile(file(context), 'utf8')) as FailedAttempt;
    const missing = (await missingTools(context.environment)) ?? null;
    return missing === attempt.missingTools ? attempt.reasons[0] : undefined;
  } catch {
    return undefined; // No record, or a damaged one: then it is simply tried.
  }
}
