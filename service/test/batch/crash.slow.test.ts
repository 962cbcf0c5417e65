import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { outputKey } from '../../src/domain/keys.ts';
import { createCrashRecord } from '../../src/jobs/crash-record.ts';
import type { FailedAttempt } from '../../src/jobs/local-job.ts';
import { picture, rowsOf, tempBatch, tempQueue, tempStore, untilFinished } from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

/** Decoders that die: what a hook of the model does to the whole process, a fault in a native decoder does too. */
const HOOKS = `
export function preprocess(bytes) {
  const text = Buffer.from(bytes).toString('latin1');
  if (text.endsWith('ABORT')) process.abort();
  if (text.endsWith('EXIT')) process.exit(0);
  if (text.endsWith('HANG')) for (;;);
  return bytes;
}`;

let model: TinyModel;
before(async () => {
  model = await makeTinyModel();
  const folder = join(model.env.MODELS_DIR ?? '', 'tiny');
  const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  await writeFile(join(folder, 'hooks.mjs'), HOOKS);
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, hooks: 'hooks.mjs' }));
});
after(() => model.close());

/** Runs a job of 60 pictures, some of which do harm. */
async function runJob(
  harm: ReadonlyMap<number, string>,
  env: Readonly<Record<string, string>> = {},
  stallMs?: number,
) {
  const objects = await tempStore();
  const failed: FailedAttempt[] = [];
  const queue = tempQueue(
    { ...model.env, ...env },
    {
      onFailedAttempt: (attempt) => failed.push(attempt),
      ...(stallMs === undefined ? {} : { stallMs }),
    },
  );
  const keyOf = (n: number) => `input/${String(n).padStart(2, '0')}.png`;
  try {
    for (let n = 0; n < 60; n++)
      await objects.put(keyOf(n), Buffer.concat([await picture(n), Buffer.from(harm.get(n) ?? '')]));
    const batch = tempBatch(objects, queue);
    await batch.create({
      jobId: 'harm',
      origin: 'request',
      source: { kind: 'prefix', prefix: 'input/' },
      model: 'tiny',
      topK: 2,
    });
    const status = await untilFinished(batch, 'harm');
    const rows = await rowsOf(batch, 'harm');
    assert.deepEqual(
      rows.map(({ key }) => key),
      Array.from({ length: 60 }, (_, n) => keyOf(n)),
      JSON.stringify(status),
    );
    const outputs = await Promise.all(
      rows.map(async ({ key }) => JSON.parse((await objects.get(outputKey(key) ?? '')).toString())),
    );
    assert.deepEqual(outputs, rows);
    await batch.close();
    return { status, failed, codes: rows.map(({ error }) => error?.code ?? '') };
  } finally {
    await queue.close();
    await objects.close();
  }
}

const expected = (harm: ReadonlyMap<number, string>) =>
  Array.from({ length: 60 }, (_, n) => (harm.has(n) ? 'WORKER_CRASHED' : ''));

test('each picture that crashes the worker gets an error row; the rest of its shard a result', async () => {
  // Two in one chunk, and more of them than a shard has attempts.
  const harm = new Map([
    [9, 'ABORT'],
    [14, 'ABORT'],
    [33, 'EXIT'],
    [50, 'ABORT'],
  ]);
  const { status, failed, codes } = await runJob(harm);
  assert.equal(status.status, 'PARTIAL');
  assert.deepEqual(status.counts, { total: 60, succeeded: 56, failed: 4, pending: 0 });
  assert.deepEqual(codes, expected(harm));
  assert.equal(failed.length, 1);
  assert.match(failed[0]?.reason ?? '', /SIGABRT/);
});

test('a worker that is made to exit with status 0 in the middle of its work has not done its shard', async () => {
  const harm = new Map([[33, 'EXIT']]);
  const { status, failed, codes } = await runJob(harm);
  assert.equal(status.status, 'PARTIAL');
  assert.deepEqual(codes, expected(harm));
  assert.match(failed[0]?.reason ?? '', /status 1/);
});

test('a picture that hangs the worker gets an error row; the rest of its shard a result', async () => {
  const harm = new Map([[20, 'HANG']]);
  const { status, failed, codes } = await runJob(harm, { WORKER_TIMEOUT_MS: '8000' }, 8_000);
  assert.equal(status.status, 'PARTIAL');
  assert.deepEqual(codes, expected(harm));
  assert.match(failed[0]?.reason ?? '', /SIGKILL: no progress for 8 s/);
});

test('a worker that crashes before any input is a fault of the system, not of an input', () => {
  const record = createCrashRecord();
  assert.equal(record.onDeath(), false);
});

test('a machine on which every input crashes is at fault, and not the inputs', () => {
  const record = createCrashRecord();
  record.onMessage({ kind: 'chunk', chunk: 0, open: true });
  assert.equal(record.onDeath(), true);
  let deaths = 0;
  for (let input = 0; input < 100; input++) {
    for (let time = 0; time < 2; time++) {
      record.onMessage({ kind: 'chunk', chunk: 0, open: true });
      record.onMessage({ kind: 'alone', input });
      deaths += 1;
      if (!record.onDeath()) {
        assert.ok(deaths < 50, `${deaths} deaths`);
        return;
      }
    }
  }
  assert.fail('it never gave up');
});
