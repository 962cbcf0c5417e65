import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { documentApp } from '../../src/http/openapi/app.ts';
import { clientToolsMissing } from '../helpers/client-tools.ts';
import { fromRoot } from '../helpers/root.ts';

const execute = promisify(execFile);

const COMPARISON = `
import type { operations as Shared, paths as SharedPaths } from './shared/schema.d.ts';
import type { operations as Whole, paths as WholePaths } from './whole/schema.d.ts';
type Equal<X, Y> = (<T>() => T extends X ? 1 : 2) extends <T>() => T extends Y ? 1 : 2 ? true : false;
type Deep<T> = T extends Blob ? T : T extends object ? { [K in keyof T]: Deep<T[K]> } : T;
export const operations: Equal<Deep<Shared>, Deep<Whole>> = true;
export const paths: Equal<Deep<SharedPaths>, Deep<WholePaths>> = true;
// @ts-expect-error One more member is a difference.
export const other: Equal<Deep<Shared>, Deep<Whole & { more: 1 }>> = true;
`;

test('components do not change the types of the TypeScript client', {
  skip: clientToolsMissing,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'client-types-'));
  const app = await documentApp();
  try {
    const whole = join(folder, 'whole.json');
    await writeFile(whole, JSON.stringify(app.swagger()));
    for (const [name, spec] of [
      ['shared', fromRoot('openapi.yaml')],
      ['whole', whole],
    ] as const) {
      const generator = fromRoot('service', 'client', 'generate.mjs');
      await execute(process.execPath, [generator, '--out', join(folder, name), '--spec', spec]);
    }
    await writeFile(join(folder, 'comparison.ts'), COMPARISON);
    const options = '--noEmit --strict --exactOptionalPropertyTypes --allowImportingTsExtensions';
    const libraries = '--module nodenext --lib es2022,dom --types';
    const tsc = fromRoot('node_modules', 'typescript', 'bin', 'tsc');
    const words = [tsc, ...options.split(' '), ...libraries.split(' '), '', 'comparison.ts'];
    const fault = await execute(process.execPath, words, { cwd: folder }).then(
      () => undefined,
      (error: Error & { stdout?: string }) => error.stdout || error.message,
    );
    assert.equal(fault, undefined);
  } finally {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  }
});
