import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { pino } from 'pino';
import { compileLayersModel } from '../../../models/compiler/compile.ts';
import type { Engine } from '../../src/inference/engines/engine.ts';
import type { RuntimeSpec } from '../../src/inference/engines/runtimes/runtime.ts';
import { createThreadEngine } from '../../src/inference/engines/thread/engine.ts';
import { softmax } from '../../src/inference/image/softmax.ts';
import { onnxMissing, tensorflowMissing } from '../helpers/example-models.ts';
import { fromRoot } from '../helpers/root.ts';

// The same trained network in every format that some engine opens: whatever opens it answers what Keras answered.

const SIDE = 32;
const CLASSES = 3;
const FIXTURES = fromRoot('service', 'test', 'fixtures', 'shapes');
const EXAMPLES = fromRoot('models', 'examples');
const logger = pino({ level: 'silent' });

type Case = Pick<RuntimeSpec, 'engine' | 'format' | 'path'> & {
  readonly layout: 'NHWC' | 'NCHW';
  readonly activation: 'softmax' | 'logits';
  readonly missing: string | false;
  readonly variant?: (typeof VARIANTS)[number];
};

/** int8 and bfloat16 answer less exactly: models/test/compile.test.ts holds them. */
const VARIANTS = ['float32', 'float32-portable'] as const;

const compiled = await mkdtemp(join(tmpdir(), 'conformance-'));
const layers = join(FIXTURES, 'layers', 'model.json');
const graph = join(FIXTURES, 'graph', 'model.json');
const plain = { layout: 'NHWC', activation: 'softmax' } as const;
const tensorflow = { ...plain, engine: 'tensorflow', missing: tensorflowMissing } as const;
const wasm = { ...plain, engine: 'wasm', missing: false } as const;

const CASES: readonly Case[] = [
  ...VARIANTS.map((variant) => ({
    ...tensorflow,
    format: 'compiled' as const,
    path: join(compiled, variant),
    variant,
  })),
  { ...tensorflow, format: 'saved-model', path: join(EXAMPLES, 'keras-shapes') },
  { ...tensorflow, format: 'tfjs-layers', path: layers },
  { ...tensorflow, format: 'tfjs-graph', path: graph },
  { ...wasm, format: 'tfjs-layers', path: layers },
  { ...wasm, format: 'tfjs-graph', path: graph },
  {
    engine: 'onnx',
    format: 'onnx',
    path: join(EXAMPLES, 'onnx-shapes', 'model.onnx'),
    layout: 'NCHW',
    activation: 'logits',
    missing: onnxMissing,
  },
];

before(async () => {
  for (const variant of VARIANTS) {
    await compileLayersModel({ modelJson: layers, outDir: join(compiled, variant), variant });
  }
});
after(() => rm(compiled, { recursive: true, force: true }));

/** The inputs that Keras' answers in golden.json are for. */
function inputs(size: number, layout: Case['layout']): Float32Array<ArrayBuffer> {
  const length = SIDE * SIDE * 3;
  const batch = new Float32Array(size * length);
  for (let i = 0; i < size * length; i++) {
    const image = Math.floor(i / length);
    const [pixel, channel] = [Math.floor((i % length) / 3), i % 3];
    const target = layout === 'NHWC' ? i : image * length + channel * SIDE * SIDE + pixel;
    batch[target] = (((i * 7919) % 255) / 255) * (1 - image / 4);
  }
  return batch;
}

for (const each of CASES) {
  const { engine: name, format, path, layout, activation, missing, variant } = each;
  const title = `${name} on ${variant ?? format}`;
  describe(title, { skip: missing }, () => {
    const threads: Worker[] = [];
    const open = (change: Partial<RuntimeSpec> = {}): Promise<Engine<Float32Array<ArrayBuffer>>> =>
      createThreadEngine({
        spec: {
          engine: name,
          format,
          path,
          inputShape: layout === 'NHWC' ? [SIDE, SIDE, 3] : [3, SIDE, SIDE],
          classes: CLASSES,
          ...change,
        },
        status: { engine: name, precision: 'float32' },
        logger,
        onThread: (thread) => threads.push(thread),
      });
    const rowsOf = (output: Float32Array): Float32Array[] =>
      Array.from({ length: output.length / CLASSES }, (_, row) => {
        const answer = output.slice(row * CLASSES, (row + 1) * CLASSES);
        return activation === 'logits' ? softmax(answer) : answer;
      });
    let engine: Engine<Float32Array<ArrayBuffer>>;
    let golden: number[][];
    before(async () => {
      golden = JSON.parse(await readFile(join(FIXTURES, 'golden.json'), 'utf8'));
      engine = await open();
    });
    after(() => engine?.close());

    const assertGolden = (rows: readonly Float32Array[], from = 0) => {
      for (const [row, answer] of rows.entries()) {
        for (const [index, share] of answer.entries()) {
          const expected = golden[from + row]?.[index] ?? Number.NaN;
          assert.ok(
            Math.abs(share - expected) < 1e-5,
            `input ${from + row}: ${share} instead of ${expected}`,
          );
        }
      }
    };

    test('answers what Keras answered', async () => {
      const rows = rowsOf(await engine.infer(inputs(4, layout), 4));
      assert.equal(rows.length, 4);
      assertGolden(rows);
    });

    test('answers each input alone as it does in a batch, also when they are asked side by side', async () => {
      const all = inputs(4, layout);
      const length = all.length / 4;
      const answers = await Promise.all(
        [0, 1, 2, 3].map((index) => engine.infer(all.slice(index * length, (index + 1) * length), 1)),
      );
      for (const [index, answer] of answers.entries()) assertGolden(rowsOf(answer), index);
    });

    if (format === 'tfjs-graph') {
      test('answers with the tensor that the manifest names', async () => {
        const logits = await open({ output: 'shapes/dense/BiasAdd' });
        const row = await logits.infer(inputs(1, layout), 1);
        await logits.close();
        assert.notDeepEqual(row, softmax(row));
        assertGolden([softmax(row)]);
      });
    }

    test('explains its answer, or says that it cannot', async () => {
      const explained = await engine.explain(inputs(1, layout), 1).catch((error) => error);
      if (explained instanceof Error) {
        assert.equal((explained as Error & { code: string }).code, 'INVALID_REQUEST');
        assert.match(explained.message, /cannot explain/);
      } else {
        assert.deepEqual([explained.height, explained.width], [4, 4]);
        assert.ok(Math.abs(explained.probability - (golden[0]?.[1] ?? 0)) < 1e-5);
      }
    });

    const refusals: [string, Partial<RuntimeSpec>, RegExp][] = [
      ['a file that is not there', { path: '/nowhere/model' }, /cannot open \/nowhere\/model: ./],
      ['a number of classes that it does not have', { classes: 7 }, /returns 3 numbers per input, .* says 7/],
      ['an input shape that it does not have', { inputShape: [5, 5, 2] }, /cannot open [^:]+: ./],
    ];
    for (const [what, change, message] of refusals) {
      test(`is refused with one clear line for ${what}`, async () => {
        await assert.rejects(open(change), (error: Error & { code: string }) => {
          assert.equal(error.code, 'INVALID_MODEL');
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        });
      });
    }

    test('frees its thread when it is closed', async () => {
      const another = await open();
      const thread = threads.at(-1);
      const ended = new Promise((done) => thread?.once('exit', done));
      await another.close();
      await ended;
    });
  });
}
