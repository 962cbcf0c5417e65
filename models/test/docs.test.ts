import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { onnxMissing, openModels, tensorflowMissing } from '../../service/test/helpers/example-models.ts';
import { picture } from '../../service/test/helpers/pictures.ts';
import { startApp } from '../../service/test/helpers/test-app.ts';
import { readManifest } from '../manifest.ts';

const run = promisify(execFile);
const text = await readFile(resolve('docs', 'models.md'), 'utf8');

/** The Python that has a recipe's tools; RECIPES_PYTHON names it where it is not python3. */
const PYTHON = process.env.RECIPES_PYTHON ?? 'python3';

/** The code block under `<!-- recipe: <name> -->`, word by word, and what that line says besides. */
function block(name: string): { readonly code: string; readonly rest: string } {
  const found = new RegExp(`<!-- recipe: ${name}(.*) -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(text);
  assert.ok(found, `docs/models.md has the block "${name}"`);
  return { code: found[2] ?? '', rest: found[1] ?? '' };
}

function toolsMissing(recipe: string): string | false {
  const modules = block(`${recipe} train.py`).rest.replace(/^\s*needs\s*/, '');
  try {
    execFileSync(PYTHON, ['-c', `import ${modules}`], { stdio: 'ignore' });
    return false;
  } catch {
    return `needs a Python with ${modules} (set RECIPES_PYTHON)`;
  }
}

/** Steps 1 to 4 of "In ten minutes" with a recipe's blocks, then `ask` of the running service. */
async function follow(recipe: string, ask: (url: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'recipe-'));
  try {
    const manifest = block(`${recipe} manifest.json`).code;
    const { name } = JSON.parse(manifest) as { name: string };
    const model = join(folder, name);
    await mkdir(model);
    await writeFile(join(folder, 'train.py'), block(`${recipe} train.py`).code);
    await run(PYTHON, [join(folder, 'train.py')], { cwd: model, timeout: 240_000 });
    await writeFile(join(model, 'manifest.json'), manifest);
    const { stdout } = await run(process.execPath, [resolve('dist', 'models', 'seal.js'), model]);
    assert.match(stdout, /^\d+ files sealed/);
    assert.ok((await readManifest(model)).source.files.length > 0);
    const models = await openModels({ MODELS_DIR: folder, MODELS: name });
    const { url, close } = await startApp({ models });
    try {
      await ask(url);
    } finally {
      await close();
      await models.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const post = async (url: string, type: string, body: string | Uint8Array<ArrayBuffer>) => {
  const response = await fetch(`${url}/predict`, { method: 'POST', headers: { 'content-type': type }, body });
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as { predictions: { label: string }[] }).predictions;
};

describe('docs/models.md, followed word by word', () => {
  test('scikit-learn: from training to a prediction', { skip: onnxMissing || toolsMissing('sklearn') }, () =>
    follow('sklearn', async (url) => {
      const predictions = await post(url, 'application/json', block('sklearn request').code);
      assert.deepEqual(
        predictions.map(({ label }) => label),
        ['first', 'second'],
      );
    }),
  );

  test('Keras: from training to a prediction', { skip: tensorflowMissing || toolsMissing('keras') }, () =>
    follow('keras', async (url) => {
      const predictions = await post(url, 'image/jpeg', new Uint8Array(await picture()));
      assert.deepEqual(predictions.map(({ label }) => label).sort(), ['left', 'right']);
    }),
  );

  test('every manifest in it and in the repository is one that the service takes', async () => {
    for (const name of ['sklearn', 'keras']) {
      const manifest = JSON.parse(block(`${name} manifest.json`).code);
      assert.deepEqual(manifest.source, { files: [] });
    }
    for (const name of [
      'sklearn-iris',
      'sklearn-diabetes',
      'keras-shapes',
      'onnx-shapes',
      'face-expression',
    ]) {
      assert.equal((await readManifest(resolve('models', 'examples', name))).name, name);
    }
  });
});
