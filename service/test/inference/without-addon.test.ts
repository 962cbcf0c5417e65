import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { sealModel } from '../../../models/seal.ts';
import { fromRoot } from '../helpers/root.ts';
import { installWithoutAddon } from '../helpers/without-addon.ts';

const SHAPES = fromRoot('service', 'test', 'fixtures', 'shapes');
const EXAMPLE = fromRoot('models', 'examples', 'keras-shapes');

/** Loads the model `shapes` and prints its engine, or the error. */
const PROGRAM = `
  const { createModels } = await import('./dist/service/src/inference/models.js');
  const { loadConfig } = await import('./dist/service/src/config/config.js');
  const { pino } = await import('pino');
  const models = await createModels(loadConfig(), pino({ level: 'silent' }));
  await models.loaded.then(
    () => console.log(JSON.stringify(models.get().info)),
    ({ code, message }) => console.log(JSON.stringify({ code, message })),
  );
  await models.close();
`;

describe('an installation without the TensorFlow addon', () => {
  let root = '';
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'without-addon-'));
    installWithoutAddon(root);
    await writeFile(join(root, 'program.mjs'), PROGRAM);
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function load(format: 'tfjs-graph' | 'tfjs-layers' | 'saved-model') {
    const folder = join(root, format, 'shapes');
    await mkdir(folder, { recursive: true });
    const files = format === 'saved-model' ? EXAMPLE : join(SHAPES, format.replace('tfjs-', ''));
    await cp(files, folder, { recursive: true });
    await cp(join(EXAMPLE, 'labels.json'), join(folder, 'labels.json'));
    const manifest = JSON.parse(await readFile(join(EXAMPLE, 'manifest.json'), 'utf8'));
    const entry = format === 'saved-model' ? manifest.entry : 'model.json';
    const text = JSON.stringify({ ...manifest, name: 'shapes', format, entry });
    await writeFile(join(folder, 'manifest.json'), text);
    await sealModel(folder);
    const { PATH } = process.env;
    const env = { PATH, MODEL: 'shapes', MODELS_DIR: join(root, format), CACHE_DIR: join(root, 'cache') };
    const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: root, env });
    return JSON.parse(stdout);
  }

  for (const format of ['tfjs-layers', 'tfjs-graph'] as const) {
    it(`runs a ${format} model on WebAssembly and gives the reason`, async () => {
      const { engine, degraded } = await load(format);
      assert.equal(engine, 'wasm');
      assert.match(
        degraded,
        /^TensorFlow is not available: .*addon is missing.*; WebAssembly runs the model/,
      );
    });
  }

  it('refuses a SavedModel with the same reason', async () => {
    const { code, message } = await load('saved-model');
    assert.equal(code, 'INVALID_MODEL');
    assert.match(message, /^TensorFlow is not available: .*addon is missing/);
  });
});
