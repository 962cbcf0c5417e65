import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { observedQueue } from '../../src/telemetry/observed-queue.ts';
import { NO_TRACING } from '../../src/telemetry/tracing.ts';
import {
  idleQueue,
  picture,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

const ask = {
  jobId: 'old',
  origin: 'request',
  source: { kind: 'prefix', prefix: 'input/' },
  model: 'tiny',
  topK: 2,
} as const;

let model: TinyModel;
before(async () => {
  model = await makeTinyModel();
});
after(() => model.close());

/** A store with a job that was submitted three days ago and that no queue knows any more. */
async function storeWithOldJob() {
  const objects = await tempStore();
  await objects.put('input/a.png', await picture(1));
  await tempBatch(objects, idleQueue()).create(ask);
  const submitted = jobLayout('old').submitted;
  const document = JSON.parse((await objects.get(submitted)).toString());
  const submittedAt = new Date(Date.now() - 3 * 86_400_000).toISOString();
  await objects.put(submitted, JSON.stringify({ ...document, submittedAt }));
  return objects;
}

test('a local job is resumed after a restart, however long ago it was submitted', async () => {
  const objects = await storeWithOldJob();
  const queue = observedQueue(tempQueue(model.env), NO_TRACING);
  try {
    const batch = tempBatch(objects, queue);
    assert.deepEqual(await batch.resume(), ['old']);
    assert.equal((await untilFinished(batch, 'old')).status, 'SUCCEEDED');
    assert.equal((await rowsOf(batch, 'old')).length, 1);
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});

test('a job that AWS Batch has not known for a day has failed', async () => {
  const objects = await storeWithOldJob();
  try {
    const batch = tempBatch(objects, idleQueue());
    const status = await batch.status('old');
    assert.equal(status.status, 'FAILED');
    assert.equal(status.reason, 'the queue has forgotten the job');
    await batch.close();
  } finally {
    await objects.close();
  }
});

test('a summary that a crash left beside a job without a submission does not hide its new run', async () => {
  const objects = await storeWithOldJob();
  const queue = tempQueue(model.env);
  try {
    const forgetful = tempBatch(objects, idleQueue());
    assert.equal((await forgetful.status('old')).status, 'FAILED');
    await objects.delete(jobLayout('old').submitted);
    const batch = tempBatch(objects, queue);
    await batch.create(ask);
    assert.equal((await untilFinished(batch, 'old')).status, 'SUCCEEDED');
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});
