import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { readLayersModel } from '../../../models/compiler/layers-model.ts';
import { precisionOf, type Variant } from '../../../models/compiler/variants.ts';
import { modelFolders } from '../../../models/folders.ts';
import { type ImageInput, readManifest } from '../../../models/manifest.ts';
import { loadConfig } from '../../src/config/config.ts';
import type { ActivationMap } from '../../src/inference/engines/engine.ts';
import { createThreadEngine } from '../../src/inference/engines/thread/engine.ts';
import { decode } from '../../src/inference/image/decode.ts';
import { until } from '../helpers/until.ts';

const logger = pino({ level: 'silent' });
const { cacheDir, modelsDir } = loadConfig();
const manifest = await readManifest(join(modelsDir, 'resnet50'));
const folders = modelFolders(cacheDir, manifest);

function openThread(
  options: {
    onThread?: (thread: Worker) => void;
    path?: string;
    classes?: number;
    answerTimeoutMs?: number;
    variant?: Variant;
  } = {},
) {
  return createThreadEngine<Uint8Array<ArrayBuffer>>({
    spec: {
      engine: 'tensorflow',
      format: 'compiled',
      path: options.path ?? folders.compiled(options.variant ?? 'float32'),
      inputShape: [224, 224, 3],
      classes: options.classes ?? 1000,
      image: manifest.input as ImageInput,
    },
    status: { engine: 'tensorflow', precision: precisionOf(options.variant ?? 'float32') },
    logger,
    ...(options.answerTimeoutMs ? { answerTimeoutMs: options.answerTimeoutMs } : {}),
    ...(options.onThread ? { onThread: options.onThread } : {}),
  });
}

/** The bias of ResNet-50's last layer, which no activation map holds. */
async function denseBias(): Promise<Float32Array> {
  const { weights } = await readLayersModel(join(folders.source, manifest.entry));
  return weights.get('fc1000/bias')?.data ?? new Float32Array();
}

const BALLOON = join(modelsDir, 'resnet50', 'samples', 'balloon.jpg');
const image = () => new Uint8Array(224 * 224 * 3).fill(140);
const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

describe('an engine in a thread', () => {
  it('answers probabilities that sum to one, and frees its thread when closed', async () => {
    let ended: Promise<unknown> | undefined;
    const engine = await openThread({
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
    const engine = await openThread();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await Promise.all([engine.infer(image(), 1), engine.infer(image(), 1), engine.infer(image(), 1)]);
    clearInterval(timer);
    assert.ok(turns > 3, `the event loop turned ${turns} times during three inferences`);
    await engine.close();
  });

  it('replaces a thread that dies: its request fails with ENGINE_FAILED, the next one is answered', async () => {
    const threads: Worker[] = [];
    const engine = await openThread({ onThread: (thread) => threads.push(thread) });
    const doomed = engine.infer(image(), 1);
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([threads[0]?.terminate(), assert.rejects(doomed, { code: 'ENGINE_FAILED' })]);
    assert.equal((await engine.infer(image(), 1)).length, 1000);
    assert.equal(threads.length, 2);
    await engine.close();
  });

  it('replaces a thread that hangs: it is not ready meanwhile, and every request is answered', async () => {
    const threads: Worker[] = [];
    // Enough for one image on any CPU.
    const engine = await openThread({ answerTimeoutMs: 1000, onThread: (thread) => threads.push(thread) });
    // Native code that cannot be interrupted, for far longer than the engine may take.
    const size = 256;
    const hanging = engine.infer(new Uint8Array(size * 224 * 224 * 3), size);
    const behind = engine.infer(image(), 1);
    await Promise.all([
      assert.rejects(hanging, { code: 'ENGINE_FAILED' }),
      assert.rejects(behind, { code: 'ENGINE_FAILED' }),
    ]);
    assert.equal(engine.ready, false);
    // The next one waits for the new thread; on a busy machine it may need more than one.
    const answer = await until('an answer of the new thread', () => engine.infer(image(), 1));
    assert.equal(answer.length, 1000);
    assert.equal(engine.ready, true);
    assert.ok(threads.length >= 2);
    await engine.close();
  });

  it('refuses a model it cannot open, with one line that names it', async () => {
    await assert.rejects(openThread({ path: '/nowhere' }), (error: Error & { code: string }) => {
      assert.equal(error.code, 'INVALID_MODEL');
      assert.match(error.message, /^tensorflow cannot open \/nowhere: [^\n]+$/);
      return true;
    });
  });

  it('refuses a model whose output is not what the manifest says', async () => {
    await assert.rejects(openThread({ classes: 10 }), {
      code: 'INVALID_MODEL',
      message: /returns 1000 numbers .* says 10/,
    });
  });

  it('explains in int8 nearly as in float32', async () => {
    const { pixels } = await decode(await readFile(BALLOON), manifest.input as ImageInput, {
      maxPixels: 1e7,
    });
    const maps: ActivationMap[] = [];
    for (const variant of ['float32', 'int8'] as const) {
      const engine = await openThread({ variant });
      maps.push(await engine.explain(new Uint8Array(pixels)));
      await engine.close();
    }
    const [exact, near] = maps as [ActivationMap, ActivationMap];
    assert.deepEqual([near.height, near.width, near.index], [7, 7, exact.index]);
    const largest = Math.max(...exact.values.map(Math.abs));
    const difference = Math.max(...near.values.map((value, i) => Math.abs(value - (exact.values[i] ?? 0))));
    assert.ok(difference < largest / 4, `differs by ${difference} of ${largest}`);
  });

  it('explains exactly: the mean of a class activation map is the logit less the bias, the same order as the probabilities', async () => {
    const engine = await openThread();
    const pattern = () => image().map((_, i) => (i * 7919) % 255);
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
});
