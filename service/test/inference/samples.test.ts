import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
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

  const forms: Record<string, (source: Sharp) => Sharp> = {
    PNG: (source) => source.png(),
    WebP: (source) => source.webp({ quality: 90 }),
    'a JPEG that EXIF turns': (source) =>
      source.rotate(90).withMetadata({ orientation: 8 }).jpeg({ quality: 92 }),
    'a CMYK JPEG': (source) => source.toColourspace('cmyk').jpeg({ quality: 92 }),
    'a 16-bit PNG': (source) => source.toColourspace('rgb16').png(),
    'a TIFF': (source) => source.tiff(),
  };
  for (const [form, convert] of Object.entries(forms)) {
    it(`keep their labels as ${form}`, async () => {
      for (const [name, label] of Object.entries(pictures)) {
        const source = sharp(join(defaultModelsDir(), 'resnet50', 'samples', name));
        const { predictions } = await models.get().classify(await convert(source).toBuffer(), { topK: 1 });
        assert.equal(predictions[0]?.label, label, name);
      }
    });
  }
});
