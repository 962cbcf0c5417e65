import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, open, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Batch } from '../../src/batch/batch.ts';
import { createDrop, type Drop } from '../../src/batch/drop/drop.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { picture, tempBatch, tempQueue, tempStore } from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';
import { findVersitygw, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

let model: TinyModel;
before(async () => {
  model = await makeTinyModel();
});
after(() => model.close());

interface Running {
  readonly batch: Batch;
  stop(): Promise<void>;
}

/** Failed jobs are retried at once. */
const RETRY_TIMING = { firstMs: 100, maxMs: 1_000, pollMs: 50 };

async function start(
  objects: ObjectStore,
  store: string,
  endpoint?: string,
  maxJobInputs?: number,
): Promise<Running> {
  const queue: JobQueue = tempQueue({ ...model.env, ...(endpoint ? { S3_ENDPOINT: endpoint } : {}) });
  const batch = tempBatch(objects, queue, { shardSize: 5000, chunkSize: 128, maxJobInputs });
  const config = {
    STORE: store,
    JOBS: 'local',
    DROP: 'auto',
    DROP_INTERVAL_MS: 200,
    ...(endpoint ? { S3_ENDPOINT: endpoint } : {}),
    ...(maxJobInputs ? { MAX_JOB_INPUTS: maxJobInputs } : {}),
  } as const;
  const logger = pino({ level: 'silent' });
  const retryTiming = RETRY_TIMING;
  const drop: Drop = createDrop({ config, objects, batch, model: 'tiny', logger, retryTiming });
  await drop.start(await batch.resume());
  return {
    batch,
    async stop() {
      await drop.close();
      await batch.close();
      await queue.close();
    },
  };
}

type FolderStore = Awaited<ReturnType<typeof tempStore>>;

/** With a folder that is watched, as `watched` makes it; both are gone afterwards. */
async function withDrop(
  body: (store: FolderStore, running: Running) => Promise<void>,
  watched: (store: ObjectStore) => ObjectStore = (store) => store,
): Promise<void> {
  const store = await tempStore();
  const running = await start(watched(store), `file:${store.folder}`);
  try {
    await body(store, running);
  } finally {
    await running.stop();
    await store.close();
  }
}

async function untilOutputs(
  objects: ObjectStore,
  count: number,
): Promise<Map<string, { key: string; etag?: string; error?: { code: string } }>> {
  const keys = await until(`${count} outputs`, async () => {
    const found = [];
    for await (const { key } of objects.list('output/')) found.push(key);
    return found.length >= count && found;
  });
  const outputs = new Map();
  for (const key of keys) outputs.set(key, JSON.parse((await objects.get(key)).toString()));
  return outputs;
}

/** The output of the input's present content. */
const untilCurrent = (store: ObjectStore, name: string) =>
  until(`the output of ${name}`, async () => {
    const { etag } = await store.head(`input/${name}`);
    const output = (await untilOutputs(store, 1)).get(`output/${name}.json`);
    return output?.etag === etag && output;
  });

test('files put into the folder, its sub-folders, or moved in are classified; system files are not', () =>
  withDrop(async (store) => {
    const input = join(store.folder, 'input');
    await writeFile(join(input, 'one.png'), await picture(1));
    await mkdir(join(input, 'a/b'), { recursive: true });
    await writeFile(join(input, 'a/b/two with + and é.png'), await picture(2));
    await writeFile(join(input, '.DS_Store'), 'x');
    await writeFile(join(store.folder, 'outside.png'), await picture(3));
    await rename(join(store.folder, 'outside.png'), join(input, 'a/moved.png'));
    await writeFile(join(input, 'broken.jpg'), 'no picture');
    const outputs = await untilOutputs(store, 4);
    assert.deepEqual([...outputs.keys()].sort(), [
      'output/a/b/two with + and é.png.json',
      'output/a/moved.png.json',
      'output/broken.jpg.json',
      'output/one.png.json',
    ]);
    assert.equal(outputs.get('output/broken.jpg.json')?.error?.code, 'UNREADABLE_IMAGE');
    assert.equal(outputs.get('output/one.png.json')?.error, undefined);

    const replaced = await picture(77);
    await writeFile(join(input, 'one.png'), replaced);
    await untilCurrent(store, 'one.png');
  }));

test('a file that is still being copied is classified when it is whole', () =>
  withDrop(async (store) => {
    const body = await picture(5);
    const path = join(store.folder, 'input/slow.png');
    const file = await open(path, 'w');
    await file.close();
    for (let at = 0; at < body.length; at += 20) {
      await appendFile(path, body.subarray(at, at + 20));
      await sleep(60);
    }
    assert.equal((await untilCurrent(store, 'slow.png')).error, undefined);
  }));

test('a thousand files at once, and those dropped while nobody was there, each get one result', async () => {
  const store = await tempStore();
  const bodies = await Promise.all(Array.from({ length: 20 }, (_, n) => picture(n)));
  const input = join(store.folder, 'input');
  for (let folder = 0; folder < 5; folder++) await mkdir(join(input, String(folder)), { recursive: true });
  const fill = async (from: number, to: number) => {
    for (let n = from; n < to; n++)
      await writeFile(join(input, String(n % 5), `${n}.png`), bodies[n % 20] ?? '');
  };
  await fill(0, 300);
  const old = new Date('2020-01-01');
  await utimes(join(input, '0/0.png'), old, old);
  let running = await start(store, `file:${store.folder}`);
  try {
    await fill(300, 1000);
    assert.equal((await untilOutputs(store, 1000)).size, 1000);
    await running.stop();
    const jobs = (await running.batch.list(100)).jobs;
    await fill(1000, 1100);
    running = await start(store, `file:${store.folder}`);
    const outputs = await untilOutputs(store, 1100);
    assert.ok([...outputs.values()].every(({ error }) => error === undefined));
    const after = (await running.batch.list(100)).jobs.filter(
      ({ jobId }) => !jobs.some((job) => job.jobId === jobId),
    );
    assert.equal(
      after.reduce((sum, { counts }) => sum + counts.total, 0),
      100,
      'what has its result is not done again',
    );
  } finally {
    await running.stop();
    await store.close();
  }
});

test('files of a new folder whose notices are lost are found, whole and once', async () => {
  // chokidar reads a new folder first and watches it then: a file that comes in between is told by nobody.
  const forgetful = (store: ObjectStore): ObjectStore => ({
    ...store,
    watch: async (prefix, ignored, onKey, onError) => {
      assert.ok(store.watch);
      return store.watch(prefix, ignored, (key) => key.endsWith('/') && onKey(key), onError);
    },
  });
  await withDrop(async (store, running) => {
    const folder = join(store.folder, 'input/new/below');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'whole.png'), await picture(1));
    const body = await picture(2);
    for (let at = 0; at < 50; at++) {
      await appendFile(
        join(folder, 'slow.png'),
        body.subarray(at * 20, at === 49 ? undefined : at * 20 + 20),
      );
      await sleep(60);
    }
    const outputs = await untilOutputs(store, 2);
    assert.deepEqual(
      [...outputs].map(([key, { error }]) => [key, error]),
      [
        ['output/new/below/slow.png.json', undefined],
        ['output/new/below/whole.png.json', undefined],
      ],
    );
    const { jobs } = await running.batch.list(10);
    assert.equal(
      jobs.reduce((sum, { counts }) => sum + counts.total, 0),
      2,
      'each once',
    );
  }, forgetful);
});

test('a drop whose job has failed is run again until it has its result', () =>
  withDrop(async (store, running) => {
    const folder = join(model.env.MODELS_DIR ?? '', 'tiny');
    const away = `${folder}-away`;
    await rename(folder, away);
    try {
      await writeFile(join(store.folder, 'input/a.png'), await picture(1));
      await until('the failure of the job', async () => {
        const [job] = (await running.batch.list(1)).jobs;
        return job?.status === 'FAILED';
      });
    } finally {
      await rename(away, folder);
    }
    const outputs = await untilOutputs(store, 1);
    assert.equal(outputs.get('output/a.png.json')?.error, undefined);
    const { jobs } = await running.batch.list(10);
    assert.equal(jobs.length, 1, 'the same job, not another');
  }));

test('a drop of more files than MAX_JOB_INPUTS becomes several jobs', async () => {
  const store = await tempStore();
  for (let n = 0; n < 5; n++) {
    await store.put(`input/${n}.png`, await picture(n));
    await utimes(join(store.folder, `input/${n}.png`), 1_600_000_000, 1_600_000_000);
  }
  const running = await start(store, `file:${store.folder}`, undefined, 2);
  try {
    await untilOutputs(store, 5);
    const { jobs } = await running.batch.list(10);
    assert.deepEqual(jobs.map(({ counts }) => counts.total).sort(), [1, 2, 2]);
  } finally {
    await running.stop();
    await store.close();
  }
});

test('files that have their results get no job after a restart, although they are newer', async () => {
  const store = await tempStore();
  await store.put('input/a.png', await picture(1));
  let running = await start(store, `file:${store.folder}`);
  try {
    await untilOutputs(store, 1);
    await running.stop();
    // Changes the time that the store reports, but not the version: the comparison lists the file with the new one.
    await chmod(join(store.folder, 'input/a.png'), 0o600);
    const output = await store.head('output/a.png.json');
    assert.ok((await store.head('input/a.png')).lastModified > output.lastModified);
    await store.put('input/b.png', await picture(2));
    running = await start(store, `file:${store.folder}`);
    await untilOutputs(store, 2);
    const { jobs } = await running.batch.list(10);
    assert.deepEqual(
      jobs.map(({ counts }) => counts.total),
      [1, 1],
    );
  } finally {
    await running.stop();
    await store.close();
  }
});

test('a file whose path is too long for a key does not hold up those beside it', () =>
  withDrop(async (store) => {
    const input = join(store.folder, 'input');
    const deep = join(input, ...Array.from({ length: 5 }, () => 'deep'.repeat(60)));
    await mkdir(deep, { recursive: true });
    await sleep(1000);
    await Promise.all([
      writeFile(join(deep, 'long.png'), await picture(1)),
      writeFile(join(input, 'good.png'), await picture(2)),
    ]);
    assert.deepEqual([...(await untilOutputs(store, 1)).keys()], ['output/good.png.json']);
  }));

const program = await findVersitygw();
test('with an S3-compatible store the same happens by listing', {
  skip: program ? false : VERSITYGW_MISSING,
}, async () => {
  const server = await startS3Server(program ?? '');
  const objects = createS3Store(server.bucket, server);
  await objects.put('input/before.png', await picture(1));
  const running = await start(objects, `s3://${server.bucket}`, server.endpoint);
  try {
    assert.deepEqual([...(await untilOutputs(objects, 1)).keys()], ['output/before.png.json']);
    await objects.put('input/sub/later.png', await picture(2));
    assert.equal((await untilOutputs(objects, 2)).get('output/sub/later.png.json')?.error, undefined);
  } finally {
    await running.stop();
    await server.close();
  }
});
