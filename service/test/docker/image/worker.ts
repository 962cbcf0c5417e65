import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { fromRoot } from '../../helpers/root.ts';
import { requireImage, type Subject } from './subject.ts';

interface Row {
  readonly key: string;
  readonly predictions?: readonly { readonly label: string }[];
  readonly error?: { readonly code: string };
}

/** The worker mode, on a job in a volume. */
export function testWorker(subject: Subject): void {
  const { containers } = subject;

  describe('worker', () => {
    before(requireImage(subject));

    it('runs a shard of a job in a volume, with a read-only /tmp', async () => {
      const mount = ['-v', `${await containers.volume()}:/data`];
      const planned = await containers.script(await bundlePlanJob(), mount);
      const { jobUri, shards } = JSON.parse(planned) as { jobUri: string; shards: number };
      assert.equal(shards, 1);
      await containers.once('worker', [...mount, '-e', `JOB_URI=${jobUri}`], ['worker'], { tmp: false });
      const rows = JSON.parse(await containers.script(READ_RESULTS, mount)) as Row[];
      const outcomes = rows.map(({ key, error, predictions }) => [
        key,
        error?.code ?? predictions?.[0]?.label,
      ]);
      assert.deepEqual(outcomes.sort(), [
        ['input/balloon.jpg', 'balloon'],
        ['input/broken.jpg', 'UNREADABLE_IMAGE'],
        ['input/pumpkin.jpg', "jack-o'-lantern"],
      ]);
    });

    it('ends with status 78 without a job', async (t) => {
      const { stderr } = await containers.once('nojob', [], ['worker'], { statuses: [78] });
      t.diagnostic(stderr.trim());
    });
  });
}

/** plan-job.ts with the modules that it imports, which the image holds only in its bundles. */
async function bundlePlanJob(): Promise<string> {
  const { REQUIRE } = await import(
    pathToFileURL(fromRoot('service', 'setup', 'bootstrap', 'bundle.mjs')).href
  );
  const { outputFiles } = await build({
    entryPoints: [fromRoot('service', 'test', 'docker', 'image', 'plan-job.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

const READ_RESULTS = `
import { readdirSync, readFileSync } from 'node:fs';
const folder = '/data/output/';
console.log(JSON.stringify(readdirSync(folder).map((name) => JSON.parse(readFileSync(folder + name, 'utf8')))));
`;
