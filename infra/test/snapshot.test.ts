import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { repositoryRoot } from '../lib/repository-root.ts';
import { synthTemplate } from './helpers/synth.ts';

const FILE = join(repositoryRoot(), 'infra', 'test', 'snapshots', 'template.json');

/** Hashes of assets are of the CDK's own code here, and change with its version only; still not what the snapshot is about. */
const withoutHashes = (json: string) => json.replace(/\b[0-9a-f]{64}\b/g, '<hash>');

it('the template is the one that was reviewed (node dist/infra/test/snapshot.test.js --update rewrites it)', () => {
  const template = `${withoutHashes(JSON.stringify(synthTemplate(), null, 2))}\n`;
  if (process.argv.includes('--update')) writeFileSync(FILE, template);
  assert.deepEqual(JSON.parse(template), JSON.parse(readFileSync(FILE, 'utf8')));
});
