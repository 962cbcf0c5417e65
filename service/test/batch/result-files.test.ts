import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Batch } from '../../src/batch/batch.ts';
import { readJob } from '../../src/batch/job-records.ts';
import { listChunks } from '../../src/batch/results/chunks.ts';
import { finishJob } from '../../src/batch/worker/finish.ts';
import { resultHeader, resultLines } from '../../src/domain/csv.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import {
  contentOf,
  picture,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

const ask = {
  origin: 'request',
  source: { kind: 'prefix', prefix: 'input/' },
  model: 'tiny',
  topK: 2,
  results: 'rows',
} as const;

describe('a job with results: rows', () => {
  let model: TinyModel;
  let objects: Awaited<ReturnType<typeof tempStore>>;
  let queue: JobQueue;
  let batch: Batch;
  before(async () => {
    model = await makeTinyModel();
    objects = await tempStore();
    for (let n = 0; n < 25; n++) await objects.put(`input/${n % 3}/${n}.png`, await picture(n));
    await objects.put('input/1/=bad,"\n.png', 'not a picture');
    queue = tempQueue(model.env);
    batch = tempBatch(objects, queue, { shardSize: 10, chunkSize: 4 });
  });
  after(async () => {
    await batch?.close();
    await queue?.close();
    await objects?.close();
    await model?.close();
  });

  const jsonLines = async (jobId: string) =>
    gunzipSync(await objects.get(jobLayout(jobId).resultFiles.jsonl)).toString();

  test('writes no output per input, and all rows to one file of each format', async () => {
    const { jobId } = await batch.create({ ...ask, jobId: 'rows' });
    const status = await untilFinished(batch, jobId);
    assert.deepEqual([status.status, status.counts.total, status.counts.failed], ['PARTIAL', 26, 1]);
    assert.equal((await contentOf(objects, 'output/')).size, 0);
    const rows = await rowsOf(batch, jobId);
    assert.deepEqual(
      rows.map(({ key }) => key),
      rows.map(({ key }) => key).sort(),
      'input order',
    );
    assert.equal(await jsonLines(jobId), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const csv = (await objects.get(jobLayout(jobId).resultFiles.csv)).toString();
    assert.equal(csv, resultHeader(2) + resultLines(rows, 2));
    const parquet = await objects.get(jobLayout(jobId).resultFiles.parquet);
    assert.equal(parquet.subarray(0, 4).toString() + parquet.subarray(-4).toString(), 'PAR1PAR1');
  });

  test('has the same bytes in another job of the same inputs', async () => {
    await untilFinished(batch, (await batch.create({ ...ask, jobId: 'again' })).jobId);
    for (const format of ['jsonl', 'csv', 'parquet'] as const) {
      const [one, other] = ['rows', 'again'].map((id) => objects.get(jobLayout(id).resultFiles[format]));
      assert.ok((await one)?.equals((await other) ?? Buffer.alloc(0)), format);
    }
  });

  test('is another request than the same job with objects', async () => {
    await assert.rejects(batch.create({ ...ask, jobId: 'rows', results: 'objects' }), { code: 'CONFLICT' });
  });

  test('leaves no part of a file when its worker is stopped, and the next attempt writes it', async () => {
    const job = await readJob(objects, 'rows');
    const { resultFiles } = jobLayout('rows');
    const before = await objects.get(resultFiles.csv);
    await objects.delete(resultFiles.csv);
    const stop = new AbortController();
    const progress = { chunk: async () => {}, alone: async () => {}, done: () => stop.abort('out of time') };
    const options = { objects, job, maxImageBytes: 1_000_000 };
    assert.equal(await finishJob({ ...options, stop: stop.signal, progress }), false);
    await assert.rejects(objects.head(resultFiles.csv), { code: 'OBJECT_NOT_FOUND' });
    assert.equal(await finishJob({ ...options, stop: new AbortController().signal }), true);
    assert.ok((await objects.get(resultFiles.csv)).equals(before));
  });

  test('has not ended before its file exists, and a restart writes a missing file', async () => {
    const layout = jobLayout('rows');
    const before = await objects.get(layout.resultFiles.jsonl);
    await objects.delete(layout.resultFiles.jsonl);
    await objects.delete(layout.summary);
    // A new queue has forgotten the job, as after a crash of the machine.
    const restarted = tempQueue(model.env);
    const other = tempBatch(objects, restarted);
    try {
      const status = await other.status('rows');
      assert.deepEqual([status.status, status.counts.pending, status.finishedAt], ['RUNNING', 0, undefined]);
      assert.equal((await untilFinished(other, 'rows')).status, 'PARTIAL');
      assert.ok((await objects.get(layout.resultFiles.jsonl)).equals(before));
    } finally {
      await other.close();
      await restarted.close();
    }
  });
});

test('chunk 10000 of a shard comes after chunk 9999, and before the next shard', async () => {
  const objects = await tempStore();
  try {
    const names = ['00000-0000', '00000-1000', '00000-9999', '00000-10000', '00000-10001', '00001-0000'];
    for (const name of names.toReversed()) await objects.put(`jobs/j/results/${name}.jsonl`, '{}\n');
    const keys: string[] = [];
    for await (const { key } of listChunks(objects, 'j')) keys.push(key);
    assert.deepEqual(
      keys,
      names.map((name) => `jobs/j/results/${name}.jsonl`),
    );
  } finally {
    await objects.close();
  }
});
