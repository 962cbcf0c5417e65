import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { loadConfig } from '../../src/config/config.ts';
import { createFileStore } from '../../src/storage/folder/folder.ts';
import { goldenRows, onnxMissing, openModels, tensorflowMissing } from '../helpers/example-models.ts';
import { fromRoot } from '../helpers/root.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

const EXAMPLES = fromRoot('models', 'examples');

/** A PNG of one shape in the middle of a picture. */
function drawing(shape: string, width = 160, height = 120): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#eed"/>${shape}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

const SHAPES = {
  circle: '<circle cx="80" cy="60" r="40" fill="#a22"/>',
  square: '<rect x="45" y="25" width="70" height="70" fill="#226"/>',
  triangle: '<polygon points="80,18 125,96 35,96" fill="#152"/>',
};

// decode.ts lets sharp read pictures only, and in this process that goes for this test's drawings too.
const drawings = new Map<string, Buffer>();
sharp.unblock({ operation: ['VipsForeignLoadSvg'] });
for (const [name, shape] of Object.entries(SHAPES)) drawings.set(name, await drawing(shape));
sharp.block({ operation: ['VipsForeignLoadSvg'] });

describe('image models of our own training', () => {
  for (const [name, missing] of [
    ['keras-shapes', tensorflowMissing],
    ['onnx-shapes', onnxMissing],
  ] as const) {
    test(`${name} tells circle, square and triangle apart, from its manifest alone`, {
      skip: missing,
    }, async () => {
      const models = await openModels({ MODEL: name });
      for (const [shape, picture] of drawings) {
        const { predictions, model } = await models.get().classify(picture, { topK: 3 });
        assert.equal(model, name);
        assert.equal(predictions[0]?.label, shape);
        const sum = predictions.reduce((total, { probability }) => total + probability, 0);
        assert.ok(Math.abs(sum - 1) < 1e-4, `probabilities sum to ${sum}`);
      }
      await models.close();
    });
  }
});

describe('the models of one process', { skip: onnxMissing }, () => {
  let folder: string;
  let tiny: TinyModel;

  /** A copy of an example under models/, for a test to damage. */
  async function copyOf(example: string, name = example): Promise<string> {
    const target = join(folder, 'models', name);
    await rm(target, { recursive: true, force: true });
    await cp(join(EXAMPLES, example), target, { recursive: true });
    return target;
  }
  async function edit(model: string, change: (manifest: Record<string, unknown>) => object): Promise<void> {
    const file = join(model, 'manifest.json');
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...manifest, ...change(manifest) }));
  }
  const env = (names: string, more: Record<string, string> = {}) => ({
    MODELS_DIR: join(folder, 'models'),
    CACHE_DIR: join(folder, 'cache'),
    MODELS: names,
    ...more,
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'models-'));
    await mkdir(join(folder, 'models'));
    tiny = await makeTinyModel();
    await cp(join(tiny.env.MODELS_DIR ?? '', 'tiny'), join(folder, 'models', 'tiny'), { recursive: true });
  });
  after(async () => {
    await tiny?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('models of every task are served side by side; the first one is the default', async () => {
    await copyOf('sklearn-iris');
    const models = await openModels(env('tiny,sklearn-iris', { ENGINE: 'wasm' }));
    assert.equal(models.get().info.name, 'tiny');
    assert.deepEqual(
      models.list().map(({ name }) => name),
      ['tiny', 'sklearn-iris'],
    );
    assert.throws(() => models.get('sklearn-iris'), { code: 'INVALID_REQUEST' });
    assert.throws(() => models.tabular?.('tiny'), { code: 'INVALID_REQUEST' });
    assert.throws(() => models.get('resnet50'), {
      code: 'MODEL_NOT_FOUND',
      message: 'unknown model "resnet50"; available: tiny, sklearn-iris',
    });
    await models.close();
  });

  test('a broken model stops the start; with STRICT_MODELS=off it alone is refused', async () => {
    const model = await copyOf('sklearn-iris', 'broken');
    await edit(model, () => ({ name: 'broken', entry: 'other.onnx' }));
    const message = /manifest\.json: \/entry "other\.onnx" is not one of source\.files$/;
    await assert.rejects(openModels(env('tiny,broken', { ENGINE: 'wasm' })), {
      code: 'INVALID_MODEL',
      message,
    });
    const off = { ENGINE: 'wasm', STRICT_MODELS: 'off' };
    const models = await openModels(env('tiny,broken', off));
    assert.deepEqual(
      models.list().map(({ name }) => name),
      ['tiny'],
    );
    assert.throws(() => models.get('broken'), { code: 'MODEL_NOT_FOUND' });
    await models.close();
  });

  test('with STRICT_MODELS=off a broken default model leaves the others to serve, and none answers in its name', async () => {
    const model = await copyOf('sklearn-iris', 'broken');
    await edit(model, () => ({ name: 'broken', entry: 'other.onnx' }));
    const off = { ENGINE: 'wasm', STRICT_MODELS: 'off' };
    const models = await openModels(env('broken,tiny', off));
    assert.equal(models.ready, true);
    assert.equal(models.get('tiny').info.name, 'tiny');
    const message = 'the default model "broken" could not be loaded; available: tiny';
    assert.throws(() => models.get(), { code: 'MODEL_NOT_FOUND', message });
    await models.close();
    await assert.rejects(openModels(env('broken', off)), {
      code: 'INVALID_MODEL',
      message: /^[^\n]*manifest\.json: \/entry "other\.onnx" is not one of source\.files$/,
    });
  });

  const faults: [string, (model: string) => Promise<void>, RegExp][] = [
    ['a missing file', (model) => rm(join(model, 'model.onnx')), /model\.onnx is missing/],
    [
      'a file with another hash',
      async (model) => {
        const bytes = await readFile(join(model, 'model.onnx'));
        bytes[300] = (bytes[300] ?? 0) ^ 1;
        await writeFile(join(model, 'model.onnx'), bytes);
      },
      /model\.onnx has another SHA-256 hash/,
    ],
    ['a file cut short', (model) => writeFile(join(model, 'model.onnx'), 'x'), /has 1 bytes instead of 631/],
    [
      'an unknown task',
      (model) => edit(model, () => ({ task: 'poetry' })),
      /\/task "poetry" must be one of image-class/,
    ],
    [
      'an unknown field',
      (model) => edit(model, () => ({ colour: 1 })),
      /\/colour is not a field of a manifest/,
    ],
    [
      'a missing field',
      (model) => edit(model, () => ({ licence: undefined })),
      /manifest\.json: .*"licence"/,
    ],
    [
      'an engine that does not open its format',
      (model) => edit(model, () => ({ engine: 'wasm' })),
      /\/format onnx is not supported by the engine wasm/,
    ],
    ['a wrong type', (model) => edit(model, () => ({ metrics: 7 })), /\/metrics must be object/],
    [
      'a feature twice',
      (model) =>
        edit(model, () => ({
          input: {
            kind: 'tabular',
            features: ['a', 'b', 'a', 'c'].map((name) => ({ name, type: 'number' })),
          },
        })),
      /\/input\/features\/2\/name "a" is a duplicate/,
    ],
    [
      'as many features as the model does not take',
      (model) =>
        edit(model, () => ({ input: { kind: 'tabular', features: [{ name: 'a', type: 'number' }] } })),
      /input input has shape \[.*4\], the manifest says \[batch, 1\]/,
    ],
    [
      'an output that is not there',
      (model) => edit(model, ({ output }) => ({ output: { ...(output as object), tensor: 'share' } })),
      /no float output share; its outputs are label, probabilities/,
    ],
    [
      'another number of classes',
      (model) => edit(model, ({ output }) => ({ output: { ...(output as object), classes: 4 } })),
      /holds 3 labels, the manifest says 4 classes/,
    ],
    [
      'another name than its folder',
      (model) => edit(model, () => ({ name: 'rose' })),
      /\/name is "rose", but its folder is "sklearn-iris"/,
    ],
    [
      'a path out of its folder',
      (model) => edit(model, () => ({ entry: '../model.onnx' })),
      /\/entry must match/,
    ],
  ];
  for (const [what, damage, message] of faults) {
    test(`a model with ${what} is refused with one line that names it`, async () => {
      await damage(await copyOf('sklearn-iris'));
      await assert.rejects(openModels(env('sklearn-iris')), (error: Error & { code: string }) => {
        assert.equal(error.code, 'INVALID_MODEL', error.message);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  }

  test('an ONNX operator that the engine lacks is named', async () => {
    const model = await copyOf('sklearn-iris');
    // "Scaler" and "Sc4ler" are equally long: the file stays well-formed.
    const bytes = await readFile(join(model, 'model.onnx'));
    const at = bytes.lastIndexOf('Scaler');
    assert.ok(at > 0, 'the example has the operator that this test renames');
    bytes.write('Sc4ler', at);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(model, 'model.onnx'), bytes);
    await edit(model, ({ source }) => ({
      source: {
        files: (source as { files: { path: string }[] }).files.map((file) =>
          file.path === 'model.onnx' ? { ...file, sha256 } : file,
        ),
      },
    }));
    await assert.rejects(openModels(env('sklearn-iris')), { code: 'INVALID_MODEL', message: /Sc4ler/ });
  });

  test('files at s3:// are fetched once, checked, and kept; a wrong or missing one is refused', async () => {
    const model = await copyOf('sklearn-iris');
    await edit(model, ({ source }) => ({ source: { ...(source as object), s3: 's3://models/iris/1/' } }));
    const store = await createFileStore(`file:${join(folder, 'bucket')}`);
    for (const name of ['model.onnx', 'labels.json']) {
      await store.put(`iris/1/${name}`, await readFile(join(model, name)));
      await rm(join(model, name));
    }
    const opened: string[] = [];
    const openBucket = async (uri: string) => {
      opened.push(uri);
      return store;
    };
    const [golden] = await goldenRows('sklearn-iris');
    for (let start = 0; start < 2; start++) {
      const models = await openModels(env('sklearn-iris'), { openBucket });
      const answer = await models.tabular?.().predict([golden?.row ?? {}]);
      assert.equal((answer?.predictions[0] as { label: string } | undefined)?.label, golden?.label);
      await models.close();
    }
    assert.deepEqual(opened, ['s3://models'], 'the second start finds everything in the cache');

    const cached = join(folder, 'cache', 'models', 'sklearn-iris', '1.0.0', 'source');
    await writeFile(join(cached, 'model.onnx'), 'damaged');
    await (await openModels(env('sklearn-iris'), { openBucket })).close();
    assert.equal(opened.length, 2, 'what was damaged in the cache is fetched again');

    await rm(cached, { recursive: true });
    await store.put('iris/1/model.onnx', Buffer.alloc(631));
    const wrong = {
      code: 'INVALID_MODEL',
      message: /s3:\/\/models\/iris\/1\/model\.onnx does not match .* hash/,
    };
    await assert.rejects(openModels(env('sklearn-iris'), { openBucket }), wrong);
    await store.put('iris/1/model.onnx', Buffer.alloc(6310));
    await assert.rejects(openModels(env('sklearn-iris'), { openBucket }), {
      message: /longer than the 631 bytes/,
    });
    await store.delete('iris/1/model.onnx');
    await assert.rejects(openModels(env('sklearn-iris'), { openBucket }), {
      message: /model\.onnx does not exist/,
    });
    const left = await readdir(cached).catch(() => []);
    assert.deepEqual(
      left.filter((name) => name.startsWith('model.onnx')),
      [],
      'no unchecked file is left',
    );
  });

  test('an artefact is the default where nothing else is named, and takes the place of the model of its name', async () => {
    const artefact = await copyOf('sklearn-iris');
    await edit(artefact, () => ({ version: '2.0.0' }));
    const SM_MODEL_DIR = artefact;
    const alone = await openModels({ SM_MODEL_DIR });
    assert.deepEqual(
      alone.list().map(({ name, version }) => [name, version]),
      [['sklearn-iris', '2.0.0']],
    );
    await alone.close();
    const both = await openModels({ SM_MODEL_DIR, MODELS: 'sklearn-diabetes,sklearn-iris' });
    assert.deepEqual(
      both.list().map(({ name, version }) => [name, version]),
      [
        ['sklearn-diabetes', '1.0.0'],
        ['sklearn-iris', '2.0.0'],
      ],
    );
    await both.close();
  });

  test('hooks change input and output; only errors that they mark as the client’s reach the client', async () => {
    const model = await copyOf('sklearn-iris');
    await edit(model, () => ({ hooks: 'hooks.mjs' }));
    await writeFile(
      join(model, 'hooks.mjs'),
      `export const preprocess = (rows) => rows.map((row) => {
        if (row.length === 1) throw Object.assign(new Error('send inches in pairs'), { code: 'INVALID_REQUEST' });
        if (row.length === 2) throw new Error('secret');
        return row.map((inches) => inches * 2.54);
      });
      export const postprocess = async (predictions) => predictions.map((each) => ({ ...each, label: each.label.toUpperCase() }));`,
    );
    const models = await openModels(env('sklearn-iris'));
    const predict = async (row: number[]) => (await models.tabular?.().predict([row]))?.predictions[0];
    const prediction = await predict([5.1, 3.5, 1.4, 0.2].map((cm) => cm / 2.54));
    assert.ok(prediction && 'label' in prediction);
    assert.equal(prediction.label, 'SETOSA');
    await assert.rejects(predict([1]), { code: 'INVALID_REQUEST', message: 'send inches in pairs' });
    await assert.rejects(predict([1, 2]), { code: 'INTERNAL', message: /preprocess hook failed/ });
    await models.close();
  });

  test('an empty image is unreadable, whatever the hooks of the model do with it', async () => {
    const model = join(folder, 'models', 'tiny-hooks');
    await cp(join(folder, 'models', 'tiny'), model, { recursive: true });
    await edit(model, () => ({ name: 'tiny-hooks', hooks: 'hooks.mjs' }));
    await writeFile(
      join(model, 'hooks.mjs'),
      'export const preprocess = (bytes) => Uint8Array.of(bytes.at(0).valueOf(), ...bytes.slice(1));',
    );
    const models = await openModels(env('tiny-hooks', { ENGINE: 'wasm' }));
    const empty = { code: 'UNREADABLE_IMAGE', message: 'the image is empty (0 bytes)' };
    await assert.rejects(models.get().classify(new Uint8Array(), { topK: 1 }), empty);
    const png = drawings.get('circle') ?? Buffer.alloc(0);
    assert.equal((await models.get().classify(png, { topK: 1 })).predictions.length, 1);
    await models.close();
  });

  const badHooks: [string, (file: string) => Promise<void>, RegExp][] = [
    ['are missing', async () => {}, /hooks\.mjs does not exist/],
    ['do not parse', (file) => writeFile(file, 'export const ='), /cannot be loaded/],
    ['export nothing', (file) => writeFile(file, 'export const x = 1'), /exports neither/],
    ['export no function', (file) => writeFile(file, 'export const preprocess = 1'), /not a function/],
    [
      'lie elsewhere',
      async (file) => {
        await writeFile(join(folder, 'elsewhere.mjs'), 'export const preprocess = (x) => x');
        await symlink(join(folder, 'elsewhere.mjs'), file);
      },
      /is a link out of the model’s folder/,
    ],
  ];
  for (const [what, make, message] of badHooks) {
    test(`hooks that ${what} stop the start`, async () => {
      // A name of its own each time: modules are loaded once a process.
      const name = `hooks-${what.replaceAll(' ', '-')}`;
      const model = await copyOf('sklearn-iris', name);
      await edit(model, () => ({ name, hooks: 'hooks.mjs' }));
      await make(join(model, 'hooks.mjs'));
      await assert.rejects(openModels(env(name)), { code: 'INVALID_MODEL', message });
    });
  }
});

describe('an image model from npm that is no ResNet-50', () => {
  const name = 'face-expression';
  const isFetched = existsSync(
    join(loadConfig().cacheDir, 'models', name, '3.3.6', 'source', 'models', 'emotion.bin'),
  );
  const missing = isFetched ? false : `needs the model: MODELS=${name} npm run setup`;

  test('a grey tfjs graph model answers the same on wasm and on TensorFlow', {
    skip: missing || tensorflowMissing,
  }, async () => {
    const answers = [];
    for (const ENGINE of ['wasm', 'tensorflow']) {
      const models = await openModels({ MODEL: name, ENGINE });
      const { info } = models.get();
      assert.deepEqual(
        [info.engine, info.input, info.labels.length],
        [ENGINE, { height: 64, width: 64, channels: 1 }, 7],
      );
      const picture = drawings.get('circle') ?? Buffer.alloc(0);
      answers.push((await models.get().classify(picture, { topK: 7 })).predictions);
      await models.close();
    }
    const [onWasm = [], onTensorFlow = []] = answers;
    assert.equal(onWasm.length, 7);
    for (const [place, { label, probability }] of onWasm.entries()) {
      assert.equal(onTensorFlow[place]?.label, label);
      assert.ok(Math.abs((onTensorFlow[place]?.probability ?? 0) - probability) < 1e-4, label);
    }
  });
});
