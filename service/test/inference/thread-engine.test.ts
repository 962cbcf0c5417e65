import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { readLayersModel } from '../../../models/compiler/layers-model.ts';
import { modelFolders } from '../../../models/folders.ts';
import { readManifest } from '../../../models/manifest.ts';
import { loadConfig } from '../../src/config.ts';
import { createOnDemandExplainer } from '../../src/inference/engines/on-demand.ts';
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
      format: 'compiled',
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

/** The bias of ResNet-50's last layer, which no activation map holds. */
async function denseBias(): Promise<Float32Array> {
  const { weights } = await readLayersModel(join(folders.source, manifest.entry));
  return weights.get('fc1000/bias')?.data ?? new Float32Array();
}

const explainer = () => createOnDemandExplainer(() => openThread('inputs'));

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

  it('explains exactly: the mean of a class activation map is the logit less the bias, the same order as the probabilities', async () => {
    const engine = await openThread('inputs');
    const pattern = () => image().map((_, i) => ((i * 7919) % 255) - 120);
    const probabilities = await engine.infer(pattern(), 1);
    const likeliest = await engine.explain(pattern());
    assert.equal(likeliest.index, probabilities.indexOf(Math.max(...probabilities)));
    assert.deepEqual([likeliest.height, likeliest.width, likeliest.values.length], [7, 7, 49]);
    // exp(logit) is proportional to the probability, so ratios of probabilities check the maps' means, up to the two biases.
    const logit = async (index: number) => sum((await engine.explain(pattern(), index)).values) / 49;
    const bias = await denseBias();
    const difference = (await logit(1)) + (bias[1] ?? 0) - (await logit(2)) - (bias[2] ?? 0);
    assert.ok(Math.abs(Math.exp(difference) - (probabilities[1] ?? 0) / (probabilities[2] ?? 1)) < 1e-2);
    await engine.close();
  });

  it('opens an engine for explanations when somebody asks, and closes it when nobody does', async () => {
    const threads: Worker[] = [];
    const onThread = (thread: Worker) => threads.push(thread);
    const onDemand = createOnDemandExplainer(() => openThread('inputs', { onThread }), 10);
    assert.equal(threads.length, 0);
    await Promise.all([onDemand.explain(image()), onDemand.explain(image(), 3)]);
    assert.equal(threads.length, 1);
    await new Promise((resolve) => threads[0]?.once('exit', resolve));
    assert.equal((await onDemand.explain(image(), 3)).index, 3);
    assert.equal(threads.length, 2);
    await onDemand.close();
  });

  it('swaps from inputs to constants without a request noticing', async () => {
    const engine = createStagedEngine(
      await openThread('inputs'),
      () => openThread('constants'),
      explainer(),
      logger,
    );
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
      explainer(),
      logger,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await engine.infer(image(), 1)).length, 1000);
    assert.equal(engine.status.stage, 'inputs');
    await engine.close();
  });
});
