import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import {
  contentOf,
  idleQueue,
  picture,
  startWorker,
  tempBatch,
  tempStore,
} from '../helpers/batch-fixture.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';

let model: TinyModel;
let objects: Awaited<ReturnType<typeof tempStore>>;
before(async () => {
  model = await makeTinyModel();
  objects = await tempStore();
  for (let n = 0; n < 300; n++) await objects.put(`input/${n}.png`, await picture(n));
});
after(async () => {
  await objects.close();
  await model.close();
});

const start = (env: Readonly<Record<string, string | undefined>>) => startWorker({ ...model.env, ...env });

async function plan(jobId: string, shardSize: number): Promise<string> {
  const batch = tempBatch(objects, idleQueue(), { shardSize, chunkSize: 3 });
  await batch.create({
    jobId,
    origin: 'request',
    source: { kind: 'prefix', prefix: 'input/' },
    model: 'tiny',
    topK: 2,
  });
  return `${objects.uri}/jobs/${jobId}/job.json`;
}

const untilAtWork = (jobId: string) =>
  until(
    `the third chunk of job ${jobId}`,
    async () => (await contentOf(objects, `jobs/${jobId}/results/`)).size >= 3,
  );

test('a wrong setting is one line on stderr and status 78', async () => {
  for (const env of [
    {},
    { JOB_URI: 'nonsense' },
    { JOB_URI: `${objects.uri}/jobs/x/job.json`, MAX_BATCH: '0' },
  ]) {
    const { code, stderr } = await start(env).ended;
    assert.equal(code, 78, stderr);
    assert.match(stderr, /^ml-serverless worker: (JOB_URI|MAX_BATCH)[^\n]*\n$/);
  }
});

test('a job that is not there is a fault to be tried again: status 1', async () => {
  const { code, stderr } = await start({ JOB_URI: `${objects.uri}/jobs/none/job.json` }).ended;
  assert.equal(code, 1);
  assert.match(stderr, /there is no job none/);
});

test('each index works its own shard, and a second run of a finished one changes nothing', async () => {
  const JOB_URI = await plan('shards', 150);
  for (const index of ['1', '0']) {
    const { code, stderr } = await start({ JOB_URI, AWS_BATCH_JOB_ARRAY_INDEX: index }).ended;
    assert.equal(code, 0, stderr);
  }
  const before = await contentOf(objects, 'jobs/shards/');
  const results = [...before.keys()].filter((key) => key.includes('/results/'));
  assert.equal(results.length, 100);
  assert.equal(
    (await start({ JOB_URI, AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ATTEMPT: '2' }).ended).code,
    0,
  );
  assert.deepEqual(await contentOf(objects, 'jobs/shards/'), before);
});

test('SIGTERM ends it at the edge of a chunk with status 143, and the next attempt finishes the rest', async () => {
  const JOB_URI = await plan('stopped', 300);
  const { child, ended } = start({ JOB_URI });
  await untilAtWork('stopped');
  child.kill('SIGTERM');
  const { code, stderr } = await ended;
  assert.equal(code, 143, stderr);
  const half = await contentOf(objects, 'jobs/stopped/results/');
  const markers = await contentOf(objects, 'jobs/stopped/chunks/');
  assert.ok(half.size >= 3 && half.size < 100, `${half.size} chunks`);
  assert.equal(markers.size, half.size, 'every chunk that was begun was finished');
  assert.equal((await start({ JOB_URI, AWS_BATCH_JOB_ATTEMPT: '2' }).ended).code, 0);
  const all = await contentOf(objects, 'jobs/stopped/results/');
  assert.equal(all.size, 100);
  for (const [key, text] of half) assert.equal(all.get(key), text);
});

/** A second attempt, once its own child process is at work. */
async function startSecondAttempt(jobId: string) {
  const JOB_URI = await plan(jobId, 300);
  const { child, ended } = start({ JOB_URI, AWS_BATCH_JOB_ATTEMPT: '2' });
  await untilAtWork(jobId);
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  const below = stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([pid, parent]) => parent === child.pid && isAlive(pid ?? 0));
  assert.equal(below.length, 1, 'the work is done in a process of its own');
  return { JOB_URI, child, ended, workPid: below[0]?.[0] ?? 0 };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('SIGTERM to a second attempt ends the process that works for it, at the edge of a chunk', async () => {
  const { JOB_URI, child, ended, workPid } = await startSecondAttempt('stopped-again');
  child.kill('SIGTERM');
  const { code, stderr } = await ended;
  assert.equal(code, 143, stderr);
  assert.equal(isAlive(workPid), false);
  const results = await contentOf(objects, 'jobs/stopped-again/results/');
  const markers = await contentOf(objects, 'jobs/stopped-again/chunks/');
  assert.ok(results.size < 100);
  assert.equal(markers.size, results.size);
  assert.equal((await start({ JOB_URI, AWS_BATCH_JOB_ATTEMPT: '3' }).ended).code, 0);
});

test('a kill of a second attempt leaves no process behind and blames no input', async () => {
  const { JOB_URI, child, workPid } = await startSecondAttempt('killed-again');
  child.kill('SIGKILL');
  await until('the end of the child', () => !isAlive(workPid));
  assert.equal((await start({ JOB_URI, AWS_BATCH_JOB_ATTEMPT: '3' }).ended).code, 0);
  const results = await contentOf(objects, 'jobs/killed-again/results/');
  assert.equal(results.size, 100);
  for (const text of results.values()) assert.doesNotMatch(text, /"error"/);
});

test('out of time, it ends at the edge of a chunk with status 75, and the next attempt finishes', async () => {
  const JOB_URI = await plan('slow', 300);
  // Shorter than the start of any worker, so that this one has no time left when it begins.
  const short = await start({ JOB_URI, WORKER_STOP_AFTER_MS: '1' }).ended;
  assert.equal(short.code, 75, short.stderr);
  const chunks = async () => (await contentOf(objects, 'jobs/slow/results/')).size;
  assert.ok((await chunks()) < 100, 'something is left');
  const hour = await start({ JOB_URI, AWS_BATCH_JOB_ATTEMPT: '2', WORKER_STOP_AFTER_MS: '3600000' }).ended;
  assert.equal(hour.code, 0, hour.stderr);
  assert.equal(await chunks(), 100);
});
