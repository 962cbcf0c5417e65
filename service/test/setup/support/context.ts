import type { SetupContext } from '../../../setup/context.ts';
import type { Progress } from '../../../setup/progress.mjs';

/** A context of set-up that collects its progress as lines. */
export function testContext({
  root,
  cacheDir,
  environment = {},
  verify = false,
}: {
  root: string;
  cacheDir: string;
  environment?: NodeJS.ProcessEnv;
  verify?: boolean;
}): SetupContext & { readonly lines: string[] } {
  const lines: string[] = [];
  const progress: Progress = {
    start: (name, doing) => {
      lines.push(`${name}: ${doing}`);
      return { update: () => {}, done: (text) => lines.push(`${name}: ${text}`), failed: () => {} };
    },
    notice: (name, text) => lines.push(`${name}! ${text}`),
    ready: (name, text) => lines.push(`${name}: ${text}`),
  };
  return { root, cacheDir, environment: { ...process.env, ...environment }, progress, verify, lines };
}
