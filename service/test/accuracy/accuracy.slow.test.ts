import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { readRanges } from '../../../models/compiler/ranges.ts';
import { defaultModelsDir } from '../../../models/folders.ts';
import { calibrate } from '../../accuracy/calibrate.ts';
import { evaluate, interval } from '../../accuracy/evaluate.ts';
import { findImageModel } from '../../accuracy/model.ts';
import { classOf } from '../../accuracy/pictures.ts';
import { loadLabels } from '../../src/inference/labels.ts';
import { tensorflowMissing } from '../helpers/example-models.ts';

const samples = join(defaultModelsDir(), 'resnet50', 'samples');
const SAMPLES = ['traffic-light', 'balloon', 'crossword', 'pumpkin'];
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'accuracy-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Variations of the sample pictures, and `broken` files that are none. */
async function pictures(name: string, count: number, broken: number): Promise<string> {
  const target = join(folder, name);
  await mkdir(target);
  for (let n = 0; n < count; n++) {
    const source = sharp(join(samples, `${SAMPLES[n % 4]}.jpg`)).modulate({ hue: n * 20 });
    await source.jpeg().toFile(join(target, `${n}.jpg`));
  }
  for (let n = 0; n < broken; n++) await writeFile(join(target, `broken-${n}.jpg`), 'no picture');
  return target;
}

test('calibration writes ranges that the compiler takes, and counts unreadable files', async (t) => {
  if (tensorflowMissing) return t.skip(tensorflowMissing);
  const { manifest, entry } = await findImageModel('resnet50');
  const modelFolder = join(folder, 'model');
  await mkdir(modelFolder);
  const seen: number[] = [];
  const result = await calibrate({
    manifest,
    modelFolder,
    modelJson: entry,
    pictures: await pictures('calibration', 16, 2),
    onProgress: (done) => seen.push(done),
  });
  assert.equal(result.pictures, 16);
  assert.equal(result.unreadable, 2);
  assert.deepEqual(
    seen,
    Array.from({ length: 18 }, (_, index) => index + 1),
  );
  const { ranges, calibration } = await readRanges(result.file, manifest.version);
  assert.equal(calibration.images, 16);
  assert.equal(Object.keys(ranges).length, 53);
});

test('calibration on fewer than 16 readable pictures is refused and writes nothing', async (t) => {
  if (tensorflowMissing) return t.skip(tensorflowMissing);
  const { manifest, entry } = await findImageModel('resnet50');
  const modelFolder = join(folder, 'untouched');
  await mkdir(modelFolder);
  const calibrating = calibrate({
    manifest,
    modelFolder,
    modelJson: entry,
    pictures: await pictures('few', 15, 1),
  });
  await assert.rejects(calibrating, {
    code: 'INVALID_REQUEST',
    message: /holds 15 readable pictures \(1 unreadable\); calibration needs at least 16/,
  });
  await assert.rejects(readFile(join(modelFolder, 'ranges.json')), { code: 'ENOENT' });
});

test('evaluation counts right labels of each precision on labelled pictures', async (t) => {
  if (tensorflowMissing) return t.skip(tensorflowMissing);
  const model = await findImageModel('resnet50');
  const labels = await loadLabels(model.manifest.output, model.source);
  const target = join(folder, 'labelled');
  await mkdir(join(target, 'balloon'), { recursive: true });
  await cp(join(samples, 'balloon.jpg'), join(target, 'balloon', 'one.jpg'));
  await cp(join(samples, 'traffic-light.jpg'), join(target, '920.jpg'));
  await cp(join(samples, 'pumpkin.jpg'), join(target, '0.jpg'));
  await cp(join(samples, 'pumpkin.jpg'), join(target, 'unknown.jpg'));
  await writeFile(join(target, '7.jpg'), 'no picture');
  const { images, unreadable, unlabelled, results } = await evaluate({ model, labels, pictures: target });
  assert.deepEqual([images, unreadable, unlabelled], [3, 1, 1]);
  assert.equal(results[0]?.precision, 'float32');
  for (const { precision, top1, agreement } of results) {
    assert.deepEqual(top1, { count: 2, of: 3 }, precision);
    assert.deepEqual(agreement, { count: 3, of: 3 }, precision);
  }
});

test('evaluation without a labelled picture says how to name them', async (t) => {
  if (tensorflowMissing) return t.skip(tensorflowMissing);
  const model = await findImageModel('resnet50');
  const target = join(folder, 'nameless');
  await mkdir(target);
  await cp(join(samples, 'pumpkin.jpg'), join(target, 'pumpkin.jpg'));
  await assert.rejects(evaluate({ model, labels: [], pictures: target }), {
    code: 'INVALID_REQUEST',
    message:
      /nothing to evaluate \(1 pictures, 0 unreadable, 1 without a class\); name pictures by class index/,
  });
});

test('the class of a picture is its folder as a label, else a class index', () => {
  const labels = ['tench', 'goldfish', 'shark'];
  assert.equal(classOf('goldfish/a.jpg', labels), 1);
  assert.equal(classOf('2/a.jpg', labels), 2);
  assert.equal(classOf('002.jpg', labels), 2);
  assert.equal(classOf('1_b.png', labels), 1);
  assert.equal(classOf('7.jpg', labels), undefined);
  assert.equal(classOf('cat.jpg', labels), undefined);
});

test('the 95 % interval is Wilson’s and stays between 0 and 1', () => {
  const [low, high] = interval({ count: 911, of: 1000 });
  assert.ok(Math.abs(low - 0.8918) < 1e-3 && Math.abs(high - 0.927) < 1e-3, `${low} ${high}`);
  assert.equal(interval({ count: 3, of: 3 })[1], 1);
  assert.ok(interval({ count: 0, of: 5 })[0] === 0);
});
