import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DispatchOptions, dispatch } from '../../src/batch/drop/dispatch.ts';
import { isAppError } from '../../src/domain/errors.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { parseShard } from '../../src/domain/job/shards.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { bridged, notification } from '../helpers/s3-events.ts';

let store: Awaited<ReturnType<typeof tempStore>>;
let objects: ObjectStore;
before(async () => {
  store = await tempStore();
  // The same folder under the address that the events name.
  objects = { ...store, uri: 's3://amzn-s3-demo-bucket' };
});
after(() => store.close());

function setUp(more: Partial<DispatchOptions> = {}) {
  const queue = idleQueue();
  const faults: string[] = [];
  const batch = tempBatch(objects, queue);
  const options: DispatchOptions = {
    batch,
    objects,
    model: 'tiny',
    onFault: (messageId, reason) => faults.push(`${messageId}: ${reason}`),
    ...more,
  };
  return { queue, batch, faults, run: (event: unknown) => dispatch(event, options) };
}

const sqs = (...bodies: readonly unknown[]) => ({
  Records: bodies.map((body, i) => ({
    messageId: `m${i}`,
    eventSource: 'aws:sqs',
    body: JSON.stringify(body),
  })),
});
const etag = (n: number) => n.toString(16).padStart(32, '0');
const put = (key: string, n = 1, eventTime = '2026-01-01T00:00:00.000Z') => ({
  Records: [{ ...notification(key, { eTag: etag(n), sequencer: etag(n) }), eventTime }],
});
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
/** As a worker leaves a job of one shard. */
async function finish(jobId: string, inputs: readonly [key: string, n: number][]): Promise<void> {
  for (const [key, n] of inputs) {
    const row = JSON.stringify({ key, etag: etag(n), model: 'tiny' });
    await objects.put(`${key.replace('input/', 'output/')}.json`, row);
  }
  await objects.put(jobLayout(jobId).shardMarker(0, inputs.length, 0), '');
}

async function keysOf(jobIds: readonly string[]): Promise<string[]> {
  const keys: string[] = [];
  for (const jobId of jobIds) {
    for await (const { key } of objects.list(`jobs/${jobId}/shards/`)) {
      keys.push(...parseShard((await objects.get(key)).toString()).map((input) => input.key));
    }
  }
  return keys;
}

test('all records of all messages make one job, each object once', async () => {
  const { queue, run } = setUp();
  const event = sqs(put('input/b'), put('input/a'), bridged('input/c'), put('input/a'), put('output/a.json'));
  const { jobIds, batchItemFailures } = await run(event);
  assert.deepEqual(batchItemFailures, []);
  assert.equal(jobIds.length, 1);
  assert.equal(queue.submissions.length, 1);
  assert.deepEqual(await keysOf(jobIds), ['input/a', 'input/b', 'input/c']);
  const [shard] = parseShard((await objects.get(jobLayout(jobIds[0] ?? '').shard(0))).toString());
  assert.equal(shard?.etag, etag(1), 'the version of the event is pinned');
});

test('an event that is replayed, reordered or has duplicates makes no second job', async () => {
  const { queue, run } = setUp();
  const bodies = Array.from({ length: 20 }, (_, n) => put(`input/replay/${n}`, n));
  const first = await run(sqs(...bodies));
  for (const variant of [bodies, bodies.toReversed(), [...bodies, ...bodies.slice(3, 9)]]) {
    assert.deepEqual((await run(sqs(...variant))).jobIds, first.jobIds);
  }
  assert.equal(queue.submissions.length, 1);
});

test('messages that come back in another group are not classified a second time', async () => {
  const { queue, run } = setUp();
  const body = put('input/grouped/1', 5);
  await objects.put(
    'output/grouped/1.json',
    JSON.stringify({ key: 'input/grouped/1', etag: etag(5), model: 'tiny' }),
  );
  assert.deepEqual(await run(sqs(body)), { jobIds: [], batchItemFailures: [] });
  const { jobIds } = await run(sqs(body, put('input/grouped/2', 6)));
  assert.deepEqual(await keysOf(jobIds), ['input/grouped/2']);
  const replaced = await run(sqs(put('input/grouped/1', 7)));
  assert.deepEqual(await keysOf(replaced.jobIds), ['input/grouped/1'], 'a new version is');
  assert.equal(queue.submissions.length, 2);
});

test('the same bytes dropped again are classified again when the result was deleted', async () => {
  const { queue, run } = setUp();
  const dropped = [put('input/again/1', 11), put('input/again/2', 12)];
  const first = await run(sqs(...dropped));
  await finish(first.jobIds[0] ?? '', [
    ['input/again/1', 11],
    ['input/again/2', 12],
  ]);
  assert.deepEqual((await run(sqs(...dropped))).jobIds, [], 'both results are there');
  const error = { code: 'UNREADABLE_IMAGE', message: 'damaged' };
  const row = JSON.stringify({ key: 'input/again/1', etag: etag(11), error });
  await objects.put('output/again/1.json', row);
  assert.deepEqual((await run(sqs(...dropped))).jobIds, [], 'an error is a result');
  await objects.delete('output/again/2.json');
  const redropped = sqs(...dropped.map(({ Records: [record] }) => ({ Records: [record] })));
  const second = await run(redropped);
  assert.deepEqual(await keysOf(second.jobIds), ['input/again/2']);
  assert.deepEqual((await run(redropped)).jobIds, second.jobIds, 'delivered again, it is the same job');
  assert.equal(queue.submissions.length, 2);
  await finish(second.jobIds[0] ?? '', [['input/again/2', 12]]);
  await objects.delete('output/again/2.json');
  const third = await run(redropped);
  assert.deepEqual(await keysOf(third.jobIds), ['input/again/2'], 'and once more');
  assert.equal(queue.submissions.length, 3);
});

test('a cancelled drop is classified when it is dropped anew, not when its event returns', async () => {
  const { queue, batch, run } = setUp();
  const [jobId = ''] = (await run(sqs(put('input/cancelled/1', 21)))).jobIds;
  queue.cancel = async (reference) => {
    const at = queue.submissions.findIndex((job) => job.jobId === reference);
    queue.submissions.splice(at, 1);
  };
  assert.equal((await batch.cancel(jobId, 'a mistake')).status, 'CANCELLED');
  assert.deepEqual(
    (await run(sqs(put('input/cancelled/1', 21)))).jobIds,
    [],
    'its own event, delivered again',
  );
  const { jobIds } = await run(sqs(put('input/cancelled/1', 21, inAnHour())));
  assert.deepEqual(await keysOf(jobIds), ['input/cancelled/1']);
  assert.deepEqual(
    queue.submissions.map((job) => job.jobId),
    jobIds,
  );
});

test('only the messages that could not be handled return to the queue', async () => {
  const { run, faults } = setUp();
  const event = {
    Records: [
      ...sqs(put('input/good')).Records,
      { messageId: 'bad-json', eventSource: 'aws:sqs', body: '{' },
      {
        messageId: 'other-bucket',
        eventSource: 'aws:sqs',
        body: JSON.stringify({
          ...bridged('input/x'),
          detail: { bucket: { name: 'other' }, object: { key: 'input/x' } },
        }),
      },
      { messageId: 'test', eventSource: 'aws:sqs', body: JSON.stringify({ Event: 's3:TestEvent' }) },
    ],
  };
  const { jobIds, batchItemFailures } = await run(event);
  assert.deepEqual(await keysOf(jobIds), ['input/good']);
  assert.deepEqual(
    batchItemFailures.map(({ itemIdentifier }) => itemIdentifier),
    ['bad-json', 'other-bucket'],
  );
  assert.equal(faults.length, 2);
});

test('when the queue is away every message returns, and the next delivery heals the job', async () => {
  const { queue } = setUp();
  let isAway = true;
  const flaky = {
    ...queue,
    submit: async (job: Parameters<typeof queue.submit>[0]) => {
      if (isAway) throw new Error('away');
      return queue.submit(job);
    },
  };
  const { run } = setUp({ batch: tempBatch(objects, flaky) });
  const event = sqs(put('input/heal/1'), put('input/heal/2'));
  const failed = await run(event);
  assert.deepEqual(failed, {
    jobIds: [],
    batchItemFailures: [{ itemIdentifier: 'm0' }, { itemIdentifier: 'm1' }],
  });
  isAway = false;
  const { jobIds, batchItemFailures } = await run(event);
  assert.deepEqual(batchItemFailures, []);
  assert.deepEqual(
    queue.submissions.map(({ jobId }) => jobId),
    jobIds,
  );
  assert.deepEqual(await keysOf(jobIds), ['input/heal/1', 'input/heal/2']);
});

test('an event straight from S3 that cannot be handled is an error, so that Lambda retries it', async () => {
  const { run } = setUp();
  await assert.rejects(run({ hello: 'world' }), (error) => isAppError(error, 'INVALID_REQUEST'));
  assert.equal((await run({ Records: [notification('input/direct')] })).jobIds.length, 1);
});

test('more objects than one job may list make several jobs', async () => {
  const { run } = setUp({ maxObjects: 10 });
  const bodies = Array.from({ length: 9 }, (_, m) => ({
    Records: Array.from({ length: 3 }, (_, n) =>
      notification(`input/many/${m}-${n}`, { eTag: etag(m), sequencer: '1' }),
    ),
  }));
  const { jobIds } = await run(sqs(...bodies));
  assert.equal(jobIds.length, 3);
  assert.equal(new Set(await keysOf(jobIds)).size, 27);
});
