import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { contentOf, idleQueue, tempBatch } from '../helpers/batch-fixture.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

const program = await findVersitygw();
const skip = program ? false : VERSITYGW_MISSING;
let server: S3Server | undefined;
let objects: ObjectStore;
before(async () => {
  if (!program) return;
  server = await startS3Server(program);
  objects = createS3Store(server.bucket, server);
  for (const key of ['input/x/', 'input/x/a.png', 'input/x/y/', 'input/empty/']) await objects.put(key, '');
});
after(() => server?.close());

const ask = { origin: 'request', model: 'tiny', topK: 1 } as const;

test('folder markers, as consoles of S3 make them, are no inputs of a job', { skip }, async () => {
  const batch = tempBatch(objects, idleQueue());
  const { jobId } = await batch.create({
    ...ask,
    jobId: 'x',
    source: { kind: 'prefix', prefix: 'input/x/' },
  });
  const shard = (await objects.get(`jobs/${jobId}/shards/00000.jsonl`)).toString().trim().split('\n');
  assert.deepEqual(
    shard.map((line) => JSON.parse(line).key),
    ['input/x/a.png'],
  );
  await batch.close();
});

test('a prefix that holds folder markers only is refused, and nothing is written', { skip }, async () => {
  const batch = tempBatch(objects, idleQueue());
  const source = { kind: 'prefix', prefix: 'input/empty/' } as const;
  await assert.rejects(batch.create({ ...ask, jobId: 'empty', source }), (error) =>
    isAppError(error, 'INVALID_REQUEST'),
  );
  assert.equal((await contentOf(objects, 'jobs/empty/')).size, 0);
  await batch.close();
});
