import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { fromRoot, root } from '../../helpers/root.ts';
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
      const planned = await containers.script(await bundle(PLAN_JOB), mount);
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

/** A script with the modules of the repository that it imports: the image holds them only in its bundles. */
async function bundle(contents: string): Promise<string> {
  const { REQUIRE } = await import(
    pathToFileURL(fromRoot('service', 'setup', 'bootstrap', 'bundle.mjs')).href
  );
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'],
    banner: { js: REQUIRE },
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

/** Puts three inputs into the volume and plans a job over them, without starting it. */
const PLAN_JOB = `
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createBatch } from './service/src/batch/batch.ts';
import { openStore } from './service/src/storage/create-store.ts';
mkdirSync('/data/input', { recursive: true });
for (const name of ['pumpkin', 'balloon']) copyFileSync('/app/models/resnet50/samples/' + name + '.jpg', '/data/input/' + name + '.jpg');
writeFileSync('/data/input/broken.jpg', 'no picture');
let submitted;
const queue = { submit: async (job) => { submitted = job; return { reference: job.jobId }; }, status: async () => undefined, cancel: async () => {}, close: async () => {} };
const objects = await openStore('file:/data');
const batch = createBatch({ objects, queue, shardSize: 100, chunkSize: 2, startWithinMs: 60000, onError: (error) => { throw error; } });
await batch.submit({ jobId: 'image-test', origin: 'request', source: { kind: 'prefix', prefix: 'input/' }, model: 'resnet50', topK: 3 });
console.log(JSON.stringify(submitted));
process.exit();
`;

const READ_RESULTS = `
import { readdirSync, readFileSync } from 'node:fs';
const folder = '/data/output/';
console.log(JSON.stringify(readdirSync(folder).map((name) => JSON.parse(readFileSync(folder + name, 'utf8')))));
`;
