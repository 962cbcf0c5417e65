import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobQueue, QueueStatus } from '../../src/jobs/job-queue.ts';
import type { WorkerCommand } from '../../src/jobs/worker-process.ts';
import { until } from '../helpers/until.ts';

/**
 * A child that notes its environment in a file of RECORD_DIR, and then does what BEHAVIOUR says: real processes that
 * end as workers end.
 */
const CHILD = `
const { writeFileSync } = require('node:fs');
const { RECORD_DIR, BEHAVIOUR, JOB_URI, AWS_BATCH_JOB_ARRAY_INDEX: index, AWS_BATCH_JOB_ATTEMPT: attempt } = process.env;
process.on('SIGTERM', () => { writeFileSync(RECORD_DIR + '/term-' + process.pid, ''); process.exit(143); });
writeFileSync(RECORD_DIR + '/run-' + (index ?? 'none') + '-' + attempt, JSON.stringify({ JOB_URI, index, attempt, extra: process.env.EXTRA, pid: process.pid }));
if (BEHAVIOUR === 'fail') { console.error('it broke'); process.exit(1); }
if (BEHAVIOUR === 'fail-once' && attempt === '1') process.exit(1);
if (BEHAVIOUR === 'crash-once' && attempt === '1') process.kill(process.pid, 'SIGKILL');
if (BEHAVIOUR === 'hang') setInterval(() => {}, 1000); else process.exit(0);
`;

export function childCommand(recordDir: string): WorkerCommand {
  return {
    program: process.execPath,
    args: ['-e', CHILD],
    environment: (extra) => ({ PATH: process.env.PATH, RECORD_DIR: recordDir, ...extra }),
    output: 'ignore',
  };
}

/** What every queue must do; run against each adapter, with real child processes. */
export function testJobQueue(name: string, get: () => { queue: JobQueue; recordDir: string }): void {
  const jobUri = 's3://bucket/jobs/x/job.json';
  const untilStatus = (queue: JobQueue, reference: string, wanted: (status: QueueStatus) => boolean) =>
    until(`the wanted status of ${reference}`, async () => {
      const status = await queue.status(reference);
      assert.ok(status, 'the queue forgot the job');
      return wanted(status) && status;
    });
  const ended = ({ state }: QueueStatus) => state !== 'SUBMITTED' && state !== 'RUNNING';
  const runs = async (dir: string) => (await readdir(dir)).filter((file) => file.startsWith('run-')).sort();
  const submit = (queue: JobQueue, jobId: string, shards: number, behaviour: string, dir: string) =>
    queue.submit({
      jobId,
      shards,
      jobUri,
      environment: { BEHAVIOUR: behaviour, EXTRA: 'yes', RECORD_DIR: dir },
    });
  const fresh = async (recordDir: string) => {
    const dir = join(recordDir, randomUUID());
    await (await import('node:fs/promises')).mkdir(dir);
    return { dir, jobId: `j-${randomUUID()}` };
  };

  test(`${name}: each shard runs once with its index, its attempt and the job's address`, async () => {
    const { queue, recordDir } = get();
    const { dir, jobId } = await fresh(recordDir);
    const { reference } = await submit(queue, jobId, 5, 'ok', dir);
    const status = await untilStatus(queue, reference, ended);
    assert.equal(status.state, 'SUCCEEDED');
    assert.deepEqual(status.shards, { pending: 0, running: 0, succeeded: 5, failed: 0 });
    assert.deepEqual(
      await runs(dir),
      [0, 1, 2, 3, 4].map((i) => `run-${i}-1`),
    );
    const record = JSON.parse(await readFile(join(dir, 'run-3-1'), 'utf8'));
    assert.equal(record.JOB_URI, jobUri);
    assert.equal(record.extra, 'yes');
  });

  test(`${name}: a job of one shard has no array index`, async () => {
    const { queue, recordDir } = get();
    const { dir, jobId } = await fresh(recordDir);
    const { reference } = await submit(queue, jobId, 1, 'ok', dir);
    assert.equal((await untilStatus(queue, reference, ended)).state, 'SUCCEEDED');
    assert.deepEqual(await runs(dir), ['run-none-1']);
  });

  for (const behaviour of ['fail-once', 'crash-once']) {
    test(`${name}: a shard that ends with ${behaviour} runs again and the job succeeds`, async () => {
      const { queue, recordDir } = get();
      const { dir, jobId } = await fresh(recordDir);
      const { reference } = await submit(queue, jobId, 2, behaviour, dir);
      assert.equal((await untilStatus(queue, reference, ended)).state, 'SUCCEEDED');
      assert.deepEqual(await runs(dir), ['run-0-1', 'run-0-2', 'run-1-1', 'run-1-2']);
    });
  }

  test(`${name}: a shard that always fails is given up after three attempts`, async () => {
    const { queue, recordDir } = get();
    const { dir, jobId } = await fresh(recordDir);
    const { reference } = await submit(queue, jobId, 1, 'fail', dir);
    const status = await untilStatus(queue, reference, ended);
    assert.equal(status.state, 'FAILED');
    assert.equal(status.shards.failed, 1);
    assert.equal((await runs(dir)).length, 3);
  });

  test(`${name}: the same job submitted again is the same job`, async () => {
    const { queue, recordDir } = get();
    const { dir, jobId } = await fresh(recordDir);
    const first = await submit(queue, jobId, 2, 'ok', dir);
    assert.deepEqual(await submit(queue, jobId, 2, 'ok', dir), first);
    await untilStatus(queue, first.reference, ended);
    assert.deepEqual(await submit(queue, jobId, 2, 'ok', dir), first);
    assert.equal((await runs(dir)).length, 2);
  });

  test(`${name}: cancelling ends running children with SIGTERM and starts no other`, async () => {
    const { queue, recordDir } = get();
    const { dir, jobId } = await fresh(recordDir);
    const { reference } = await submit(queue, jobId, 50, 'hang', dir);
    await untilStatus(queue, reference, ({ shards }) => shards.running > 0);
    await until('the start of a child', async () => (await runs(dir)).length > 0);
    await queue.cancel(reference, 'no longer needed');
    const status = await untilStatus(queue, reference, (found) => ended(found) && found.shards.running === 0);
    assert.equal(status.state, 'CANCELLED');
    assert.equal(status.reason, 'no longer needed');
    assert.ok((await readdir(dir)).some((file) => file.startsWith('term-')));
    assert.ok((await runs(dir)).length < 50);
    await queue.cancel(reference, 'again');
  });

  test(`${name}: a job that the queue never heard of is undefined`, async () => {
    assert.equal(await get().queue.status(randomUUID()), undefined);
  });
}
