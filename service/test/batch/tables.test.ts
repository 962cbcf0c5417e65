import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import {
  contentOf,
  rowsOf,
  tempBatch,
  tempQueue,
  tempStore,
  untilFinished,
} from '../helpers/batch-fixture.ts';
import { type GoldenRow, goldenRows, onnxMissing } from '../helpers/example-models.ts';
import { fromRoot } from '../helpers/root.ts';

let objects: Awaited<ReturnType<typeof tempStore>>;
let queue: JobQueue;
let golden: GoldenRow[];

before(async () => {
  objects = await tempStore();
  queue = tempQueue({ MODELS_DIR: fromRoot('models'), MODEL: 'sklearn-diabetes' });
  golden = await goldenRows('sklearn-diabetes');
});
after(async () => {
  await queue.close();
  await objects.close();
});

test('files of rows are worked as images are: one result or error a row, in their order, as scikit-learn has it', {
  skip: onnxMissing,
}, async () => {
  const names = Object.keys(golden[0]?.row ?? {});
  const lines = golden.map(({ row }) => Object.values(row).join(','));
  const broken = [...lines];
  broken[2] = 'old,b,1,2,3,4,5,6,7,8';
  broken[5] = '1,2';
  const json = golden.map(({ row }) => JSON.stringify(row));
  json[1] = 'not json';
  await objects.put('input/a.csv', `${names.join(',')}\n${lines.join('\n')}\n`);
  await objects.put('input/b.csv', `${broken.join('\n')}\n`);
  await objects.put('input/c.jsonl', `${json.join('\n')}\n`);
  await objects.put('input/d.csv', `${names.slice(1).join(',')}\n`);
  const batch = tempBatch(objects, queue);
  await batch.create({
    jobId: 'tables',
    origin: 'request',
    source: { kind: 'prefix', prefix: 'input/' },
    model: 'sklearn-diabetes',
    topK: 1,
  });
  const status = await untilFinished(batch, 'tables');
  assert.equal(status.status, 'PARTIAL', JSON.stringify(status));
  const rows = new Map((await rowsOf(batch, 'tables')).map((row) => [row.key, row]));
  for (const [key, failed] of [
    ['input/a.csv', []],
    ['input/b.csv', [2, 5]],
    ['input/c.jsonl', [1]],
  ] as const) {
    const { predictions = [], error } = rows.get(key) ?? {};
    assert.equal(error, undefined, key);
    assert.equal(predictions.length, golden.length, key);
    for (const [index, prediction] of predictions.entries()) {
      if ((failed as readonly number[]).includes(index)) {
        assert.ok('error' in prediction && prediction.error.code === 'INVALID_REQUEST', `${key} ${index}`);
      } else {
        const { value: expected = 0 } = golden[index] ?? {};
        assert.ok('value' in prediction && Math.abs(prediction.value - expected) <= 1e-5 * expected);
      }
    }
  }
  const [, third] = rows.get('input/b.csv')?.predictions?.slice(1) ?? [];
  assert.match(third && 'error' in third ? third.error.message : '', /^row 3: age is "old"/);
  assert.equal(rows.get('input/d.csv')?.error?.code, 'INVALID_REQUEST');
  const outputs = await contentOf(objects, 'output/');
  assert.deepEqual(
    [...outputs.keys()],
    ['a.csv', 'b.csv', 'c.jsonl', 'd.csv'].map((name) => `output/${name}.json`),
  );
});
