import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import { createLocalQueue } from '../../src/jobs/local.ts';
import type { FailedAttempt } from '../../src/jobs/local-job.ts';
import { until } from '../helpers/until.ts';
import { childCommand, testJobQueue } from './conformance.ts';

let queue: JobQueue;
let recordDir: string;
before(async () => {
  recordDir = await mkdtemp(join(tmpdir(), 'queue-'));
  queue = createLocalQueue({ command: childCommand(recordDir), concurrency: 2, backoffMs: 10 });
});
after(async () => {
  await queue.close();
  await rm(recordDir, { recursive: true, force: true });
});

testJobQueue('local', () => ({ queue, recordDir }));

test('never more workers at once than configured', async () => {
  const one = createLocalQueue({ command: childCommand(recordDir), concurrency: 1, backoffMs: 1 });
  const { reference } = await one.submit({
    jobId: 'one-at-a-time',
    shards: 6,
    jobUri: 'x',
    environment: { BEHAVIOUR: 'ok' },
  });
  const running = new Set<number | undefined>();
  await until('the end of the job', async () => {
    const status = await one.status(reference);
    running.add(status?.shards.running);
    return status?.state === 'SUCCEEDED';
  });
  assert.deepEqual([...running].sort(), [0, 1]);
  await one.close();
});

test('every worker that ends badly is told of, with its reason and whether its shard is started again', async () => {
  const told: FailedAttempt[] = [];
  const broken = { ...childCommand(recordDir), args: ['-e', 'console.error("no disk"); process.exit(1)'] };
  const one = createLocalQueue({
    command: broken,
    concurrency: 1,
    attempts: 2,
    backoffMs: 1,
    onFailedAttempt: (attempt) => told.push(attempt),
  });
  const { reference } = await one.submit({ jobId: 'told', shards: 1, jobUri: 'x' });
  await until('the failure of the job', async () => (await one.status(reference))?.state === 'FAILED');
  const reason = 'shard 0 ended with status 1: no disk';
  assert.deepEqual(told, [
    { jobId: 'told', shard: 0, attempt: 1, reason, again: true },
    { jobId: 'told', shard: 0, attempt: 2, reason, again: false },
  ]);
  await one.close();
});

test('a worker that hangs is killed and its shard runs again; one that makes progress lives on', async () => {
  const told: FailedAttempt[] = [];
  const script = `
    if (process.env.AWS_BATCH_JOB_ATTEMPT === '1') for (;;);
    setInterval(() => process.send({ kind: 'progress' }), 100);
    setTimeout(() => process.exit(0), 5000);`;
  const one = createLocalQueue({
    command: { ...childCommand(recordDir), args: ['-e', script] },
    concurrency: 1,
    backoffMs: 1,
    stallMs: 3_000,
    onFailedAttempt: (attempt) => told.push(attempt),
  });
  const { reference } = await one.submit({ jobId: 'hanging', shards: 1, jobUri: 'x' });
  await until('the end of the job', async () => (await one.status(reference))?.state === 'SUCCEEDED');
  const reason = 'shard 0 ended with SIGKILL: no progress for 3 s';
  assert.deepEqual(told, [{ jobId: 'hanging', shard: 0, attempt: 1, reason, again: true }]);
  await one.close();
});

test('a wrong setting is not tried again', async () => {
  const broken = {
    ...childCommand(recordDir),
    args: ['-e', 'console.error("MODEL is wrong"); process.exit(78)'],
  };
  const one = createLocalQueue({ command: broken, concurrency: 1 });
  const { reference } = await one.submit({ jobId: 'config', shards: 1, jobUri: 'x' });
  const status = await until('the failure of the job', async () => {
    const found = await one.status(reference);
    return found?.state === 'FAILED' && found;
  });
  assert.match(status.reason ?? '', /MODEL is wrong \(attempt 1\)/);
  await one.close();
});

test('closing ends every worker and loses no count', async () => {
  const dir = await mkdtemp(join(recordDir, 'close-'));
  const one = createLocalQueue({ command: childCommand(dir), concurrency: 2 });
  await one.submit({ jobId: 'closing', shards: 4, jobUri: 'x', environment: { BEHAVIOUR: 'hang' } });
  await until('the start of two workers', async () => (await readdir(dir)).length === 2);
  await one.close();
  const files = await readdir(dir);
  assert.equal(files.filter((file) => file.startsWith('term-')).length, 2);
  for (const file of files.filter((name) => name.startsWith('run-'))) {
    const { pid } = JSON.parse(await readFile(join(dir, file), 'utf8'));
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
  }
});

test('a worker ends when the process that started it is killed', async () => {
  const dir = await mkdtemp(join(recordDir, 'orphan-'));
  const module = fileURLToPath(new URL('../../src/jobs/worker-process.js', import.meta.url));
  const worker = `
    process.on('disconnect', () => { require('node:fs').writeFileSync(process.env.DIR + '/ended', ''); process.exit(); });
    require('node:fs').writeFileSync(process.env.DIR + '/started', '');
    setInterval(() => {}, 1000);`;
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `
    import { runWorker } from ${JSON.stringify(module)};
    runWorker({ program: process.execPath, args: ['-e', ${JSON.stringify(worker)}], environment: (extra) => ({ ...process.env, ...extra }), output: 'ignore' }, {});
  `,
    ],
    { env: { ...process.env, DIR: dir }, stdio: 'ignore' },
  );
  await until('the start of the worker', () => existsSync(join(dir, 'started')));
  parent.kill('SIGKILL');
  await until('the end of the worker', () => existsSync(join(dir, 'ended')));
});
