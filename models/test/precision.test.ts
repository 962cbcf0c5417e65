import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCpu } from '../cpu.ts';
import { defaultModelsDir } from '../folders.ts';
import { type ImageManifest, readManifest } from '../manifest.ts';
import { isInt8Accurate, jobPrecision } from '../precision.ts';

const resnet = (await readManifest(join(defaultModelsDir(), 'resnet50'))) as ImageManifest;
const iris = await readManifest(join(defaultModelsDir(), 'examples', 'sklearn-iris'));

const evaluated = (images: number, loss1: number, loss5 = 0): ImageManifest => ({
  ...resnet,
  evaluation: {
    dataset: 'a test',
    images,
    precisions: {
      float32: { top1: 0.9, top5: 0.98, agreement: 1 },
      int8: { top1: 0.9 - loss1, top5: 0.98 - loss5, agreement: 0.97 },
    },
  },
});

test('int8 counts as accurate up to half a point of loss, in top-1 and in top-5', () => {
  assert.equal(isInt8Accurate(evaluated(1000, 0.005)), true);
  assert.equal(isInt8Accurate(evaluated(1000, 0.006)), false);
  assert.equal(isInt8Accurate(evaluated(1000, 0, 0.006)), false);
  assert.equal(isInt8Accurate(evaluated(1000, -0.01)), true);
});

test('with few pictures int8 may lose one of them, with too few nothing is shown', () => {
  assert.equal(isInt8Accurate(evaluated(64, 1 / 64)), true);
  assert.equal(isInt8Accurate(evaluated(64, 2 / 64)), false);
  assert.equal(isInt8Accurate(evaluated(49, 0)), false);
});

test('a model that was not evaluated, or takes rows, does not get int8 by itself', () => {
  const { evaluation: _, ...unknown } = resnet;
  assert.equal(isInt8Accurate(unknown as ImageManifest), false);
  assert.equal(isInt8Accurate(iris), false);
  assert.equal(isInt8Accurate(resnet), true, 'ResNet-50 ships its evaluation');
});

test('a job on AWS gets a precision that every x86-64 CPU runs', () => {
  assert.equal(jobPrecision(resnet, 'auto', undefined), 'int8');
  assert.equal(jobPrecision(evaluated(1000, 0.1), 'auto', undefined), 'float32');
  assert.equal(jobPrecision(resnet, 'bfloat16', undefined), 'bfloat16', 'a setting wins');
  assert.equal(
    jobPrecision(iris, 'int8', undefined),
    'float32',
    'models that are not compiled have no choice',
  );
});

test('a local job gets what this CPU runs fastest', () => {
  const arm = readCpu({ cpuinfo: '', environment: {}, arch: 'arm64' });
  assert.equal(jobPrecision(resnet, 'auto', arm), 'float32');
});
