import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { Prediction } from '../../service/src/domain/prediction.ts';
import { onnxMissing, openModels, tensorflowMissing } from '../../service/test/helpers/example-models.ts';
import { picture } from '../../service/test/helpers/pictures.ts';
import { startApp } from '../../service/test/helpers/test-app.ts';
import { readManifest } from '../manifest.ts';

const run = promisify(execFile);
const text = await readFile(resolve('docs', 'models.md'), 'utf8');

/** Pythons that may have a recipe's tools: those that RECIPES_PYTHON names, separated by colons, else the usual ones. */
const PYTHONS = (process.env.RECIPES_PYTHON ?? 'python3:/usr/bin/python3').split(':');

/** The code block under `<!-- recipe: <name> -->`, word by word, and what that line says besides. */
function block(name: string): { readonly code: string; readonly rest: string } {
  const found = new RegExp(`<!-- recipe: ${name}(.*) -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(text);
  assert.ok(found, `docs/models.md has the block "${name}"`);
  return { code: found[2] ?? '', rest: found[1] ?? '' };
}

/** The lines that its blocks of commands for a recipe's model have. */
function recipeCommands(): string {
  return [...text.matchAll(/```sh recipe\n([\s\S]*?)```/g)].map(([, lines]) => lines).join('');
}

const modulesOf = (recipe: string) =>
  block(`${recipe} train.py`)
    .rest.replace(/^\s*needs\s*/, '')
    .trim();

/** The first Python that has what a recipe needs. */
function pythonFor(recipe: string): string | undefined {
  return PYTHONS.find((python) => {
    try {
      execFileSync(python, ['-c', `import ${modulesOf(recipe)}`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

function toolsMissing(recipe: string): string | false {
  if (pythonFor(recipe) !== undefined) return false;
  return `needs a Python with ${modulesOf(recipe)} (set RECIPES_PYTHON)`;
}

/** Runs a recipe's script in the model's folder. */
type Train = (python: string, script: string, cwd: string) => Promise<unknown>;

const TRAINING = { timeout: 240_000 } as const;
const train: Train = (python, script, cwd) => run(python, [script], { ...TRAINING, cwd });

/** Steps 1 to 4 of "In ten minutes" with a recipe's blocks, then `ask` of the running service. */
async function follow(
  recipe: string,
  ask: (url: string, folder: string) => Promise<void>,
  trainWith: Train = train,
): Promise<void> {
  const python = pythonFor(recipe);
  assert.ok(python);
  const folder = await mkdtemp(join(tmpdir(), 'recipe-'));
  try {
    const manifest = block(`${recipe} manifest.json`).code;
    const { name } = JSON.parse(manifest) as { name: string };
    const model = join(folder, name);
    await mkdir(model);
    await writeFile(join(model, 'train.py'), block(`${recipe} train.py`).code);
    await trainWith(python, 'train.py', model);
    await writeFile(join(model, 'manifest.json'), manifest);
    const { stdout } = await run(process.execPath, [resolve('dist', 'models', 'seal.js'), model]);
    assert.match(stdout, /^\d+ files sealed/);
    const sealed = (await readManifest(model)).source.files.map(({ path }) => path);
    assert.ok(sealed.length > 0 && !sealed.includes('train.py'), sealed.join());
    const models = await openModels({ MODELS_DIR: folder, MODELS: name });
    const { url, close } = await startApp({ models });
    try {
      await ask(url, folder);
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
  return ((await response.json()) as { predictions: Prediction[] }).predictions;
};

/** A picture of the size that the PyTorch recipe's network sees, so that nothing is scaled: one colour, every pixel a bit off it. */
async function speckled(colour: string) {
  const size = { width: 32, height: 32 };
  const plain = await sharp({ create: { ...size, channels: 3, background: colour } })
    .raw()
    .toBuffer();
  const pixels = new Uint8Array(plain.map((value, i) => Math.max(0, value - ((i * 7919) % 31))));
  const png = await sharp(pixels, { raw: { ...size, channels: 3 } })
    .png()
    .toBuffer();
  return { pixels, png: new Uint8Array(png) };
}

/** Runs the recipe's script, then prints what its `model` says of raw RGB pictures; arguments: the script, the pictures. */
const OWN_ANSWERS = `
import json, runpy, sys
import torch
recipe = runpy.run_path(sys.argv[1])
answers = []
for name in sys.argv[2:]:
    pixels = torch.tensor(list(open(name, "rb").read()), dtype=torch.float32).view(32, 32, 3).permute(2, 0, 1) / 255
    scaled = (pixels - recipe["mean"].view(3, 1, 1)) / recipe["std"].view(3, 1, 1)
    with torch.no_grad():
        answers.append(recipe["model"](scaled[None]).softmax(1)[0].tolist())
print(json.dumps(answers))
`;

describe('docs/models.md, followed word by word', () => {
  test('scikit-learn: from training to a prediction', { skip: onnxMissing || toolsMissing('sklearn') }, () =>
    follow('sklearn', async (url, cwd) => {
      const predictions = await post(url, 'application/json', block('sklearn request').code);
      assert.deepEqual(
        predictions.map(({ label }) => label),
        ['first', 'second'],
      );
      const typed = recipeCommands().replaceAll('http://', '').replaceAll('localhost:8080', url);
      const script = `curl() { command curl -sSf -w '\\n' "$@"; }\n${typed}`;
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd, timeout: 60_000 });
      const answers = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).predictions as Prediction[]);
      assert.deepEqual(
        answers.map((rows) => rows.map(({ label }) => label)),
        [['first'], ['first', 'second']],
      );
    }),
  );

  test('Keras: from training to a prediction', { skip: tensorflowMissing || toolsMissing('keras') }, () =>
    follow('keras', async (url) => {
      const predictions = await post(url, 'image/jpeg', new Uint8Array(await picture()));
      assert.deepEqual(predictions.map(({ label }) => label).sort(), ['left', 'right']);
    }),
  );

  const pytorchMissing = onnxMissing || toolsMissing('pytorch');
  test("PyTorch: from training to PyTorch's own predictions", { skip: pytorchMissing }, async () => {
    const pictures = await Promise.all(['#c32', '#2b4', '#24c', '#777'].map(speckled));
    let own: number[][] = [];
    const trainAndAnswer: Train = async (python, script, cwd) => {
      const files = pictures.map(
        ({ pixels }, index) => [join(dirname(cwd), `${index}.raw`), pixels] as const,
      );
      for (const [file, pixels] of files) await writeFile(file, pixels);
      const args = ['-c', OWN_ANSWERS, script, ...files.map(([file]) => file)];
      own = JSON.parse((await run(python, args, { ...TRAINING, cwd })).stdout);
    };
    const compare = async (url: string) => {
      const answers = await Promise.all(pictures.map(({ png }) => post(url, 'image/png', png)));
      assert.deepEqual(
        answers.slice(0, 3).map(([best]) => best?.label),
        ['red', 'green', 'blue'],
      );
      for (const [picture, predictions] of answers.entries()) {
        assert.equal(predictions.length, 3);
        for (const { index, probability } of predictions) {
          const theirs = own[picture]?.[index] ?? Number.NaN;
          assert.ok(Math.abs(probability - theirs) < 1e-4, `${probability}, PyTorch says ${theirs}`);
        }
      }
    };
    await follow('pytorch', compare, trainAndAnswer);
  });

  test('every manifest in it and in the repository is one that the service takes', async () => {
    for (const name of ['sklearn', 'keras', 'pytorch']) {
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
