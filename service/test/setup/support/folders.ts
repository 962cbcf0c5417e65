import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The clone: these tests run from dist/service/test/setup/support. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../../../..');

/** A temporary folder, removed after the test. */
export async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ml-serverless-setup-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
