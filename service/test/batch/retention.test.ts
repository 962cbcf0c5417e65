import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import type { Batch } from '../../src/batch/batch.ts';
import { createRetention } from '../../src/batch/retention.ts';
import { isAppError } from '../../src/domain/errors.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { uploadKey } from '../../src/domain/keys.ts';
import {
  contentOf,
  idleQueue,
  picture,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';

const DAY_MS = 86_400_000;
const inDays = (days: number) => Date.now() + days * DAY_MS;
const logger = pino({ level: 'silent' });

let model: TinyModel;
before(async () => {
  model = await makeTinyModel();
});
after(() => model.close());

const ask = { origin: 'request', model: 'tiny', topK: 2 } as const;

/** A job of one file that a form brought. */
async function submitUpload(batch: Batch, objects: Awaited<ReturnType<typeof tempStore>>, jobId: string) {
  const uploads = jobLayout(jobId).upload('form');
  await objects.put(`${uploads}a.png`, await picture(1));
  await batch.create({ ...ask, jobId, source: { kind: 'prefix', prefix: uploads } });
}

const foldersOf = async (folder: string) =>
  (await readdir(join(folder, 'jobs'))).filter((name) => !name.startsWith('.')).sort();

test('jobs are removed with all they hold once their retention is over, and not before', async () => {
  const objects = await tempStore();
  const queue = tempQueue(model.env);
  try {
    const batch = tempBatch(objects, queue);
    await objects.put('input/a.png', await picture(2));
    await batch.create({ ...ask, jobId: 'one', source: { kind: 'prefix', prefix: 'input/' } });
    await submitUpload(batch, objects, 'two');
    // The status of job two was never requested after it ended.
    await untilFinished(batch, 'one');
    // A worker writes the report last, after the job has ended.
    await until('the reports of both jobs', async () => {
      const found = await contentOf(objects, 'jobs/');
      return ['one', 'two'].every((jobId) => found.has(`jobs/${jobId}/report.html`));
    });
    const retention = createRetention({ objects, batch, logger, days: 90 });
    assert.deepEqual(await retention.sweep(inDays(89)), { jobs: 0, uploads: 0 });
    assert.equal((await rowsOf(batch, 'two')).length, 1);
    assert.deepEqual(await retention.sweep(inDays(91)), { jobs: 2, uploads: 0 });
    assert.deepEqual([...(await contentOf(objects, '')).keys()], ['input/a.png', 'output/a.png.json']);
    assert.deepEqual(await foldersOf(objects.folder), [], 'no empty folders stay');
    assert.deepEqual(await batch.list(10), { jobs: [] });
    await assert.rejects(batch.status('two'), (error) => isAppError(error, 'JOB_NOT_FOUND'));
    await batch.close();
  } finally {
    await queue.close();
    await objects.close();
  }
});

test('a job whose inputs have no result yet is kept, however old it is', async () => {
  const objects = await tempStore();
  const queue = idleQueue();
  const broken = tempQueue({ ...model.env, MODEL: 'tiny', MODELS_DIR: '/nonexistent' });
  try {
    const waiting = tempBatch(objects, queue);
    await submitUpload(waiting, objects, 'waiting');
    const failing = tempBatch(objects, broken);
    await submitUpload(failing, objects, 'failed');
    assert.equal((await untilFinished(failing, 'failed')).status, 'FAILED');
    const before = await contentOf(objects, '');
    const retention = createRetention({ objects, batch: waiting, logger, days: 1 });
    assert.deepEqual(await retention.sweep(inDays(1000)), { jobs: 0, uploads: 0 });
    assert.deepEqual(await contentOf(objects, ''), before);
  } finally {
    await broken.close();
    await objects.close();
  }
});

test('files of a form that no job took are removed after two days, those of jobs never', async () => {
  const objects = await tempStore();
  try {
    const batch = tempBatch(objects, idleQueue());
    await submitUpload(batch, objects, 'b-job');
    for (const jobId of ['a-cut', 'c-cut'])
      await objects.put(`${jobLayout(jobId).upload('form')}cats/x.png`, 'x');
    const retention = createRetention({ objects, batch, logger, days: 0 });
    assert.deepEqual(await retention.sweep(inDays(1.9)), { jobs: 0, uploads: 0 });
    assert.deepEqual(await retention.sweep(inDays(2.1)), { jobs: 0, uploads: 2 });
    assert.deepEqual(await foldersOf(objects.folder), ['b-job']);
    assert.ok(
      (await contentOf(objects, jobLayout('b-job').upload('form'))).has('jobs/b-job/uploads/form/a.png'),
    );
  } finally {
    await objects.close();
  }
});

test('an upload by URL is removed after two days, whether or not jobs are kept', async () => {
  const objects = await tempStore();
  try {
    const batch = tempBatch(objects, idleQueue());
    await objects.put(uploadKey('0123456789abcdef0123456789abcdef', 'cats/x.png'), 'x');
    await objects.put('input/a.png', 'a');
    const retention = createRetention({ objects, batch, logger, days: 0 });
    assert.deepEqual(await retention.sweep(inDays(1.9)), { jobs: 0, uploads: 0 });
    assert.deepEqual(await retention.sweep(inDays(2.1)), { jobs: 0, uploads: 1 });
    assert.deepEqual([...(await contentOf(objects, '')).keys()], ['input/a.png']);
  } finally {
    await objects.close();
  }
});

test('a removal that was cut off is finished by the next sweep and starts no job', async () => {
  const objects = await tempStore();
  const queue = idleQueue();
  try {
    const batch = tempBatch(objects, queue);
    await submitUpload(batch, objects, 'cut');
    await objects.delete(jobLayout('cut').job);
    const retention = createRetention({ objects, batch, logger, days: 90 });
    await retention.sweep(inDays(91));
    assert.deepEqual([...(await contentOf(objects, '')).keys()], []);
    assert.equal(queue.submissions.length, 1);
  } finally {
    await objects.close();
  }
});

test('a job submitted while one of its name is being removed is made afterwards, whole', async () => {
  const objects = await tempStore();
  try {
    const batch = tempBatch(objects, idleQueue());
    await objects.put('input/a.png', await picture(1));
    const request = { ...ask, jobId: 'same', source: { kind: 'prefix', prefix: 'input/' } } as const;
    await batch.create(request);
    let submitted: Promise<unknown> | undefined;
    await batch.exclusively('same', async () => {
      for (const key of (await contentOf(objects, 'jobs/')).keys()) {
        await objects.delete(key);
        submitted ??= batch.create(request);
      }
    });
    await submitted;
    const keys = [...(await contentOf(objects, 'jobs/same/')).keys()];
    for (const name of ['job.json', 'plan.json', 'shards/00000.jsonl', 'submitted.json'])
      assert.ok(keys.includes(`jobs/same/${name}`), name);
    await batch.close();
  } finally {
    await objects.close();
  }
});
