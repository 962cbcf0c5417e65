import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseShard } from '../../src/domain/job/shards.ts';
import {
  contentOf,
  idleQueue,
  picture,
  startWorker,
  tempBatch,
  tempStore,
  WORKER,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';

const INPUTS = 400;
const LIGHT_WORKER = fileURLToPath(new URL('../helpers/light-worker.js', import.meta.url));
/** The whole worker takes seconds of CPU to start; KILLS=50 kills that one fifty times too. */
const REAL_KILLS = Number(process.env.KILLS ?? 4);

let model: TinyModel;
before(async () => {
  model = await makeTinyModel();
});
after(() => model.close());

test('50 times kill -9 of a worker, and the results are those of an undisturbed run, byte for byte', () =>
  storm(LIGHT_WORKER, 50));

test(`${REAL_KILLS} times kill -9 of the whole worker with a real model, and nothing is lost, doubled or changed`, () =>
  storm(WORKER, REAL_KILLS));

async function storm(entry: string, wanted: number): Promise<void> {
  const start = (jobUri: string) => startWorker({ ...model.env, JOB_URI: jobUri }, entry);
  const objects = await tempStore();
  try {
    for (let n = 0; n < INPUTS; n++) {
      await objects.put(
        `input/${n % 7}/${n}.png`,
        n % 10 === 3 ? Buffer.from(`not a picture ${n}`) : await picture(n),
      );
    }
    const queue = idleQueue();
    const batch = tempBatch(objects, queue, { shardSize: INPUTS, chunkSize: 5 });
    const ask = {
      origin: 'request',
      source: { kind: 'prefix', prefix: 'input/' },
      model: 'tiny',
      topK: 3,
    } as const;

    await batch.create({ ...ask, jobId: 'calm' });
    const calm = await start(`${objects.uri}/jobs/calm/job.json`).ended;
    assert.equal(calm.code, 0, calm.stderr);
    const calmResults = await contentOf(objects, 'jobs/calm/results/');
    const calmOutputs = await contentOf(objects, 'output/');
    assert.equal(calmOutputs.size, INPUTS);
    for (const key of calmOutputs.keys()) await objects.delete(key);

    await batch.create({ ...ask, jobId: 'stormy' });
    let kills = 0;
    let unfinished = 0;
    const jobUri = `${objects.uri}/jobs/stormy/job.json`;
    while (kills < wanted) {
      const before = (await contentOf(objects, 'jobs/stormy/results/')).size;
      const { child, ended } = start(jobUri);
      // Killed once it is at work, after a random while: mostly in the middle of chunks, outputs and markers.
      const alive = { yes: true };
      void ended.then(() => {
        alive.yes = false;
      });
      await until(
        'a new result',
        async () => !alive.yes || (await countKeys(objects, 'jobs/stormy/results/')) > before,
      );
      await sleep(Math.random() * 15);
      child.kill('SIGKILL');
      const { code } = await ended;
      kills += 1;
      if (code === null) unfinished += 1;
      if (code === 0) {
        // It was done before the blow fell: take away the end of the work, so that there is something left to kill.
        for (const part of ['results/00000-011', 'chunks/00000-011', 'done/', 'shards/00000.done']) {
          for await (const { key } of objects.list(`jobs/stormy/${part}`)) await objects.delete(key);
        }
      }
    }
    const last = await start(jobUri).ended;
    assert.equal(last.code, 0, last.stderr);
    assert.ok(unfinished >= wanted / 2, `only ${unfinished} of ${kills} runs were killed at work`);

    const stormy = await contentOf(objects, 'jobs/stormy/results/');
    assert.deepEqual([...stormy.values()], [...calmResults.values()]);
    assert.deepEqual(await contentOf(objects, 'output/'), calmOutputs);
    const inputs = parseShard((await objects.get('jobs/stormy/shards/00000.jsonl')).toString());
    const rows = [...stormy.values()]
      .join('')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).key);
    assert.deepEqual(
      rows,
      inputs.map(({ key }) => key),
      'a row for each input, once, in order',
    );
    const status = await batch.status('stormy');
    assert.deepEqual(status.counts, {
      total: INPUTS,
      succeeded: INPUTS * 0.9,
      failed: INPUTS * 0.1,
      pending: 0,
    });
    assert.equal(status.status, 'PARTIAL');
    await batch.close();
  } finally {
    await objects.close();
  }
}

async function countKeys(
  objects: { list(prefix: string): AsyncIterable<unknown> },
  prefix: string,
): Promise<number> {
  let count = 0;
  for await (const _ of objects.list(prefix)) count += 1;
  return count;
}
