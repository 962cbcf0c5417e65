import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import { loadConfig } from '../../src/config.ts';
import { createStagedEngine } from '../../src/inference/engines/staged-engine.ts';
import { createThreadEngine } from '../../src/inference/engines/thread-engine.ts';

const logger = pino({ level: 'silent' });
const { cacheDir, modelsDir } = loadConfig();
const manifest = await readManifest(join(modelsDir, 'resnet50'));
const folders = modelFolders(cacheDir, manifest);

function openThread(
  stage: 'inputs' | 'constants',
  options: { onThread?: (thread: Worker) => void; path?: string; classes?: number } = {},
) {
  return createThreadEngine({
    spec: {
      engine: 'tensorflow',
      stage,
      path: options.path ?? folders.compiled('float32', stage),
      inputShape: [224, 224, 3],
      classes: options.classes ?? 1000,
      warmUp: [1],
    },
    status: { engine: 'tensorflow', precision: 'float32', stage },
    logger,
    ...(options.onThread ? { onThread: options.onThread } : {}),
  });
}

const image = () => new Float32Array(224 * 224 * 3).fill(20);
const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

describe('an engine in a thread', () => {
  it('answers probabilities that sum to one, and frees its thread when closed', async () => {
    let ended: Promise<unknown> | undefined;
    const engine = await openThread('inputs', {
      onThread: (thread) => {
        ended = new Promise((resolve) => thread.once('exit', resolve));
      },
    });
    const output = await engine.infer(image(), 1);
    assert.equal(output.length, 1000);
    assert.ok(Math.abs(sum(output) - 1) < 1e-4);
    await engine.close();
    await ended;
  });

  it('leaves the event loop free while it infers', async () => {
    const engine = await openThread('inputs');
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await Promise.all([engine.infer(image(), 1), engine.infer(image(), 1), engine.infer(image(), 1)]);
    clearInterval(timer);
    assert.ok(turns > 3, `the event loop turned ${turns} times during three inferences`);
    await engine.close();
  });

  it('replaces a thread that dies: its request fails with ENGINE_FAILED, the next one is answered', async () => {
    const threads: Worker[] = [];
    const engine = await openThread('inputs', { onThread: (thread) => threads.push(thread) });
    const doomed = engine.infer(image(), 1);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([threads[0]?.terminate(), assert.rejects(doomed, { code: 'ENGINE_FAILED' })]);
    assert.equal((await engine.infer(image(), 1)).length, 1000);
    assert.equal(threads.length, 2);
    await engine.close();
  });

  it('refuses a model it cannot open, with one line that names it', async () => {
    await assert.rejects(openThread('inputs', { path: '/nowhere' }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'INVALID_MODEL');
      assert.match(error.message, /^tensorflow cannot open \/nowhere: [^\n]+$/);
      return true;
    });
  });

  it('refuses a model whose output is not what the manifest says', async () => {
    await assert.rejects(openThread('inputs', { classes: 10 }), {
      code: 'INVALID_MODEL',
      message: /answers 1000 numbers .* says 10/,
    });
  });

  it('swaps from inputs to constants without a request noticing', async () => {
    const engine = createStagedEngine(await openThread('inputs'), () => openThread('constants'), logger);
    const answers: Float32Array[] = [];
    const stages = new Set<string>();
    while (!stages.has('constants')) {
      stages.add(engine.status.stage);
      answers.push(await engine.infer(image(), 1));
    }
    answers.push(await engine.infer(image(), 1));
    const [first] = answers;
    for (const answer of answers) {
      const difference = answer.reduce(
        (largest, value, i) => Math.max(largest, Math.abs(value - (first?.[i] ?? 0))),
        0,
      );
      assert.ok(difference < 1e-5, `answers differ by ${difference} across the swap`);
    }
    assert.deepEqual([...stages], ['inputs', 'constants']);
    await engine.close();
  });

  it('stays on its first stage when the second cannot be opened', async () => {
    const engine = createStagedEngine(
      await openThread('inputs'),
      () => openThread('constants', { path: '/nowhere' }),
      logger,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await engine.infer(image(), 1)).length, 1000);
    assert.equal(engine.status.stage, 'inputs');
    await engine.close();
  });
});
