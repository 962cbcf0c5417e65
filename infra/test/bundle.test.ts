import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { startOtlpReceiver } from '../../service/test/helpers/otlp-receiver.ts';
import { bundleFunction } from '../lib/bundle.ts';
import { repositoryRoot } from '../lib/repository-root.ts';

const environment = {
  PATH: '',
  AWS_REGION: 'us-east-1',
  STORE: 's3://ml-serverless-bucket-111122223333-us-east-1',
  JOBS: 'aws-batch',
  JOB_QUEUE_ARN: 'arn:aws:batch:us-east-1:111122223333:job-queue/q',
  JOB_DEFINITION_ARN: 'arn:aws:batch:us-east-1:111122223333:job-definition/d',
  START_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/111122223333/starts',
};

describe('the bundles of dispatcher and starter', () => {
  const entryOf = (name: string) => join(repositoryRoot(), 'service', 'src', 'entrypoints', `${name}.ts`);
  const entry = entryOf('dispatcher');
  const skip = existsSync(entry) ? false : 'needs service/src/entrypoints/dispatcher.ts';
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ml-serverless-bundle-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const name of ['dispatcher', 'starter']) {
    it(`${name}: is one small file without a model runtime`, { skip }, () => {
      const bytes = bundleFunction({ entry: entryOf(name), folder });
      assert.deepEqual(readdirSync(folder), ['index.mjs']);
      assert.equal(statSync(join(folder, 'index.mjs')).size, bytes);
      assert.ok(bytes < 4_000_000, `${bytes} bytes: something large was pulled in`);
    });

    it(`${name}: starts by itself, outside the repository, and exports a handler`, { skip }, () => {
      const file = join(folder, 'index.mjs');
      bundleFunction({ entry: entryOf(name), folder });
      const script = `import(${JSON.stringify(pathToFileURL(file).href)}).then((m) => console.log(typeof m.handler))`;
      const output = execFileSync(process.execPath, ['-e', script], {
        cwd: folder,
        env: environment,
        encoding: 'utf8',
      });
      assert.equal(output.trim(), 'function');
    });
  }

  it('sends its traces to a collector, with all that it takes inside the bundle', { skip }, async () => {
    bundleFunction({ entry, folder });
    const collector = await startOtlpReceiver();
    try {
      // An S3 test event: nothing to dispatch, and AWS is not asked.
      const event = { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'b' };
      const script = `import(${JSON.stringify(pathToFileURL(join(folder, 'index.mjs')).href)})
        .then(async (m) => console.log(JSON.stringify(await m.handler(${JSON.stringify(event)}))))`;
      const env = { ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, LOG_LEVEL: 'silent' };
      // Not execFileSync: the collector is in this process.
      const run = promisify(execFile);
      const { stdout } = await run(process.execPath, ['-e', script], { cwd: folder, env });
      assert.equal(stdout.trim(), '{"batchItemFailures":[]}');
      assert.deepEqual(
        collector.spans.map(({ name, service }) => [name, service]),
        [['dispatch', 'ml-serverless']],
      );
    } finally {
      await collector.close();
    }
  });

  it('is the same, byte for byte, from the same source', () => {
    const source = join(folder, 'same.ts');
    writeFileSync(
      source,
      "import { basename } from 'node:path';\nexport const handler = async (e: { k: string }) => basename(e.k);\n",
    );
    const sizes = ['one', 'two'].map((name) => bundleFunction({ entry: source, folder: join(folder, name) }));
    assert.equal(sizes[0], sizes[1]);
  });

  it('names the fault of a source that cannot be bundled, in one line', () => {
    const source = join(folder, 'broken.ts');
    writeFileSync(source, "import './nothing.ts';\n");
    assert.throws(
      () => bundleFunction({ entry: source, folder: join(folder, 'none') }),
      /^AppError: cannot bundle .*broken\.ts: Could not resolve "\.\/nothing\.ts" \(.*:1\)$/,
    );
    assert.throws(
      () => bundleFunction({ entry: join(folder, 'absent.ts'), folder }),
      /cannot bundle .*absent\.ts/,
    );
  });
});
