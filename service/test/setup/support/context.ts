import type { TestContext } from 'node:test';
import type { SetupContext } from '../../../setup/context.ts';
import { createHasher } from '../../../setup/hasher.ts';
import type { Progress } from '../../../setup/progress.ts';

/** A context of set-up whose progress is kept as lines. */
export function testContext(
  test: TestContext,
  { root, cacheDir, environment = {} }: { root: string; cacheDir: string; environment?: NodeJS.ProcessEnv },
): SetupContext & { readonly lines: string[] } {
  const lines: string[] = [];
  const progress: Progress = {
    start: (name, doing) => {
      lines.push(`${name}: ${doing}`);
      return { update: () => {}, done: (text) => lines.push(`${name}: ${text}`), failed: () => {} };
    },
    notice: (name, text) => lines.push(`${name}! ${text}`),
    ready: (name, text) => lines.push(`${name}: ${text}`),
  };
  const hasher = createHasher(1);
  test.after(() => hasher.close());
  return { root, cacheDir, environment: { ...process.env, ...environment }, progress, hasher, lines };
}
