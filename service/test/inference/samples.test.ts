import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { defaultModelsDir } from '../../../models/folders.ts';
import type { Models } from '../../src/domain/classifier.ts';
import { openResNet } from '../helpers/resnet.ts';

describe('the sample pictures that the project ships', () => {
  let models: Models;
  before(async () => {
    models = await openResNet();
  });
  after(() => models?.close());

  const pictures = {
    'traffic-light.jpg': 'traffic_light',
    'balloon.jpg': 'balloon',
    'crossword.jpg': 'crossword_puzzle',
    'pumpkin.jpg': "jack-o'-lantern",
  };
  for (const [name, label] of Object.entries(pictures)) {
    it(`${name} is named ${label}`, async () => {
      const picture = await readFile(join(defaultModelsDir(), 'resnet50', 'samples', name));
      const { predictions } = await models.get().classify(picture, { topK: 1 });
      assert.equal(predictions[0]?.label, label);
    });
  }
});
