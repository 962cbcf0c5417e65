import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { clientToolsMissing, requireClientTool } from '../helpers/client-tools.ts';
import { fromRoot } from '../helpers/root.ts';

interface Finding {
  readonly severity: string;
  readonly ruleId: string;
  readonly message: string;
  readonly location: readonly { readonly pointer?: string }[];
}

/** Findings of Redocly's strict rules, as lines. */
async function lint(file: string): Promise<string[]> {
  const redocly = requireClientTool('@redocly/openapi-core') as {
    createConfig(config: object): Promise<object>;
    lint(options: { ref: string; config: object }): Promise<Finding[]>;
  };
  const config = await redocly.createConfig({ extends: ['recommended-strict'] });
  const findings = await redocly.lint({ ref: file, config });
  return findings.map(
    ({ severity, ruleId, message, location }) =>
      `${severity} ${ruleId}: ${message} (${location[0]?.pointer ?? ''})`,
  );
}

test("openapi.yaml has no finding by Redocly's strict rules, which do find faults", {
  skip: clientToolsMissing,
}, async () => {
  assert.deepEqual(await lint(fromRoot('openapi.yaml')), []);
  const folder = await mkdtemp(join(tmpdir(), 'lint-'));
  try {
    const broken = join(folder, 'openapi.yaml');
    const text = await readFile(fromRoot('openapi.yaml'), 'utf8');
    await writeFile(broken, text.replace(/^ +operationId: predict\n/m, ''));
    assert.match((await lint(broken)).join('\n'), /operation-operationId/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
