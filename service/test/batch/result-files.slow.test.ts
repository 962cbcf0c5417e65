import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { recordJob } from '../../src/batch/job-records.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';

const LIGHT_WORKER = fileURLToPath(new URL('../helpers/light-worker.js', import.meta.url));
const KILLS = 30;
const CHUNK = 500;

let model: TinyModel;
let objects: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  model = await makeTinyModel();
  objects = await tempStore();
});
after(async () => {
  await objects?.close();
  await model?.close();
});

/** A job whose `inputs` rows are all written, so that its worker has only the result files left to write. */
async function classifiedJob(jobId: string, inputs: number): Promise<void> {
  const layout = jobLayout(jobId);
  await recordJob(objects, {
    format: 1,
    jobId,
    createdAt: '2026-01-31T09:30:00.000Z',
    origin: 'request',
    model: 'tiny',
    topK: 5,
    source: { kind: 'prefix', prefix: 'input/' },
    results: 'rows',
    shardSize: inputs,
    chunkSize: CHUNK,
  });
  const keys = Array.from({ length: inputs }, (_, n) => `input/${String(n).padStart(7, '0')}.jpg`);
  await objects.put(layout.shard(0), keys.map((key) => `${JSON.stringify({ key })}\n`).join(''));
  await objects.put(layout.plan, JSON.stringify({ shards: 1, total: inputs }));
  for (let chunk = 0; chunk * CHUNK < inputs; chunk++) {
    const rows = keys.slice(chunk * CHUNK, (chunk + 1) * CHUNK).map((key, n) => ({
      key,
      etag: `etag-${chunk}-${n}`,
      model: 'tiny',
      version: '1.0.0',
      predictions: Array.from({ length: 5 }, (_, rank) => ({
        label: `class ${(n + rank) % 100}`,
        index: (n + rank) % 100,
        probability: Math.round(1e6 / (rank + 2 + (n % 7))) / 1e6,
      })),
    }));
    await objects.put(layout.chunk(0, chunk), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await objects.put(layout.chunkMarker(0, chunk, rows.length, 0), '');
  }
}

function startWorker(jobId: string, flags: readonly string[] = []) {
  const child = spawn(process.execPath, ['--no-warnings', ...flags, LIGHT_WORKER], {
    env: { ...process.env, ...model.env, JOB_URI: `${objects.uri}/jobs/${jobId}/job.json` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return { child, ended: once(child, 'close') };
}

const find = async (key: string): Promise<Buffer | undefined> => objects.get(key).catch(() => undefined);

describe('the result files', () => {
  test(`are the same bytes after ${KILLS} times kill -9 while they are written, and never a part of them`, async () => {
    await classifiedJob('calm', 20_000);
    await classifiedJob('stormy', 20_000);
    const began = performance.now();
    assert.deepEqual(await startWorker('calm').ended, [0, null]);
    const duration = performance.now() - began;
    const { resultFiles, shardMarkers } = jobLayout('stormy');
    const formats = ['csv', 'parquet', 'jsonl'] as const;
    const expected = new Map<string, Buffer>();
    for (const format of formats)
      expected.set(format, await objects.get(jobLayout('calm').resultFiles[format]));

    let killed = 0;
    let incomplete = 0;
    for (let n = 0; n < KILLS; n++) {
      const { child, ended } = startWorker('stormy');
      let isAlive = true;
      void ended.then(() => {
        isAlive = false;
      });
      await until('the marker of the shard', async () => {
        for await (const _ of objects.list(shardMarkers)) return true;
        return !isAlive;
      });
      await sleep((Math.random() * duration) / 3);
      child.kill('SIGKILL');
      if ((await ended)[1] === 'SIGKILL') killed += 1;
      const found = await Promise.all(formats.map((format) => find(resultFiles[format])));
      found.forEach((bytes, at) => {
        assert.ok(bytes === undefined || bytes.equals(expected.get(formats[at] ?? '') ?? Buffer.alloc(0)));
      });
      if (found.some((bytes) => bytes === undefined)) incomplete += 1;
      // Take the files away once they are complete, so that there is something left to kill.
      else for (const format of formats) await objects.delete(resultFiles[format]);
      for await (const { key } of objects.list(shardMarkers)) await objects.delete(key);
    }
    assert.ok(incomplete >= KILLS / 4, `only ${incomplete} of ${killed} kills were before the last file`);
    for (const format of formats) await objects.delete(resultFiles[format]);
    const both = [startWorker('stormy').ended, startWorker('stormy').ended];
    assert.deepEqual(await Promise.all(both), [
      [0, null],
      [0, null],
    ]);
    for (const format of formats)
      assert.ok(
        (await objects.get(resultFiles[format])).equals(expected.get(format) ?? Buffer.alloc(0)),
        format,
      );
    const batch = tempBatch(objects, idleQueue());
    assert.equal((await batch.status('stormy')).status, 'SUCCEEDED');
    await batch.close();
  });

  test('of 300,000 rows are written with a heap that holds a fraction of them', async () => {
    const inputs = 300_000;
    await classifiedJob('large', inputs);
    assert.deepEqual(await startWorker('large', ['--max-old-space-size=150']).ended, [0, null]);
    const { resultFiles } = jobLayout('large');
    const lines = gunzipSync(await objects.get(resultFiles.jsonl));
    assert.ok(lines.length > 100 * 2 ** 20, `${lines.length} bytes`);
    assert.equal(
      JSON.parse(lines.toString('utf8', lines.lastIndexOf('\n', -2) + 1)).key,
      'input/0299999.jpg',
    );
    assert.ok((await objects.head(resultFiles.parquet)).size > 2 ** 20);
  });
});
