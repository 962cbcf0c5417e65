import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import type { Classifier, Models } from '../../src/domain/classifier.ts';
import { truncatedPicture } from '../helpers/pictures.ts';
import { openResNet } from '../helpers/resnet.ts';
import { SAMPLE_NAMES, SAMPLES, sample } from '../helpers/samples.ts';

describe('the classifier', () => {
  let models: Models;
  let classifier: Classifier;
  let pumpkin: Buffer;
  before(async () => {
    models = await openResNet({ MAX_QUEUE: '4' });
    classifier = models.get();
    pumpkin = await sample('pumpkin.jpg');
  });
  after(() => models?.close());

  const best = async (image: Uint8Array) => (await classifier.classify(image, { topK: 1 })).predictions[0];

  for (const name of SAMPLE_NAMES) {
    it(`names what is in ${name}: ${SAMPLES[name]}`, async () => {
      assert.equal((await best(await sample(name)))?.label, SAMPLES[name]);
    });
  }

  it('answers the k likeliest classes, likeliest first, with probabilities and times', async () => {
    const { model, version, predictions, timing } = await classifier.classify(pumpkin, { topK: 1000 });
    assert.deepEqual([model, version], ['resnet50', '1.0.4']);
    assert.equal(predictions.length, 1000);
    const probabilities = predictions.map(({ probability }) => probability);
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((a, b) => b - a),
    );
    assert.ok(Math.abs(probabilities.reduce((total, value) => total + value, 0) - 1) < 1e-2);
    assert.ok(timing.decodeMs > 0 && timing.inferenceMs > 0 && timing.queueMs >= 0);
  });

  const coloured: Record<string, (image: Sharp) => Sharp> = {
    PNG: (image) => image.png(),
    WebP: (image) => image.webp(),
    AVIF: (image) => image.avif({ effort: 0 }),
    TIFF: (image) => image.tiff(),
    GIF: (image) => image.gif(),
    'CMYK JPEG': (image) => image.toColourspace('cmyk').jpeg(),
    'PNG with alpha': (image) => image.ensureAlpha().png(),
    '16-bit PNG': (image) => image.toColourspace('rgb16').png(),
    'progressive JPEG': (image) => image.jpeg({ progressive: true }),
    'JPEG that EXIF rotates': (image) =>
      image.rotate(90).withMetadata({ orientation: 8 }).jpeg({ quality: 92 }),
  };
  const greyscale: typeof coloured = {
    'greyscale JPEG': (image) => image.greyscale().jpeg(),
    'greyscale PNG': (image) => image.greyscale().toColourspace('b-w').png(),
  };
  // Without colour, the model does not recognise the balloon and the traffic light.
  const forms = [
    ...Object.entries(coloured).map(([form, convert]) => ({ form, convert, names: SAMPLE_NAMES })),
    ...Object.entries(greyscale).map(([form, convert]) => ({
      form,
      convert,
      names: ['crossword.jpg', 'pumpkin.jpg'] as const,
    })),
  ];
  for (const { form, convert, names } of forms) {
    it(`gives the same label for a picture as ${form}`, async () => {
      for (const name of names) {
        const image = await convert(sharp(await sample(name))).toBuffer();
        assert.equal((await best(image))?.label, SAMPLES[name], name);
      }
    });
  }

  it('takes the first frame of an animation', async () => {
    const { data, info } = await sharp(pumpkin).resize(224, 224).raw().toBuffer({ resolveWithObject: true });
    const black = Buffer.alloc(data.length);
    const raw = {
      width: info.width,
      height: info.height * 2,
      channels: info.channels,
      pageHeight: info.height,
    } as const;
    const animation = await sharp(Buffer.concat([data, black]), { raw })
      .gif()
      .toBuffer();
    assert.equal((await best(animation))?.label, SAMPLES['pumpkin.jpg']);
  });

  it('explains where in the picture it sees the class, in fractions of the upright picture', async () => {
    // The pumpkin fills the right half of a picture whose left half is grey: the evidence must lie there.
    const square = await sharp(pumpkin).resize(300, 300).toBuffer();
    const grey = { create: { width: 600, height: 300, channels: 3 as const, background: '#888' } };
    const half = await sharp(grey)
      .composite([{ input: square, left: 300, top: 0 }])
      .png()
      .toBuffer();
    const { prediction, grid, region, picture } = await classifier.explain(half, { index: 607 });
    assert.deepEqual([prediction.label, prediction.index], [SAMPLES['pumpkin.jpg'], 607]);
    assert.deepEqual(picture, { width: 600, height: 300 });
    assert.ok(Math.abs(region.left + region.width / 2 - 0.5) < 0.01, 'the crop is centred');
    assert.ok(Math.abs(region.height - 224 / 256) < 0.01);
    const share = (from: number, to: number) =>
      grid.reduce((total, row) => total + row.slice(from, to).reduce((part, value) => part + value, 0), 0);
    assert.ok(share(4, 7) > 2 * share(0, 3), 'the evidence lies to the right');
  });

  it('refuses to explain a class that the model does not have', async () => {
    await assert.rejects(classifier.explain(pumpkin, { index: 1000 }), { code: 'INVALID_REQUEST' });
  });

  it('drops an image whose client has gone before it is decoded', async () => {
    const client = new AbortController();
    client.abort();
    await assert.rejects(classifier.classify(pumpkin, { topK: 1, signal: client.signal }), {
      code: 'REQUEST_CANCELLED',
    });
  });

  it('refuses at once what is more than MAX_QUEUE, and answers all that it accepted', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, () => classifier.classify(pumpkin, { topK: 1 })),
    );
    const refused = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
    assert.equal(refused.length, 8);
    for (const { code, details } of refused) {
      assert.equal(code, 'OVERLOADED');
      assert.equal(details.retryAfterSeconds, 1);
    }
    assert.equal((await best(pumpkin))?.label, SAMPLES['pumpkin.jpg']);
  });

  it('is none the worse for a bad image among good ones', async () => {
    const bad = await truncatedPicture();
    const [first, second, third] = await Promise.allSettled([pumpkin, bad, pumpkin].map(best));
    assert.deepEqual([first?.status, second?.status, third?.status], ['fulfilled', 'rejected', 'fulfilled']);
  });

  it('gives the same bytes whatever else is in the batch, when batches are of fixed size', async () => {
    const fixed = await openResNet({ MAX_BATCH: '4' }, { fixedBatch: true });
    const balloon = await sample('balloon.jpg');
    const alone = await fixed.get().classify(pumpkin, { topK: 1000 });
    const together = await Promise.all(
      [balloon, pumpkin, balloon, pumpkin].map((image) => fixed.get().classify(image, { topK: 1000 })),
    );
    for (const index of [1, 3]) assert.deepEqual(together[index]?.predictions, alone.predictions);
    await fixed.close();
  });

  it('gives the same labels on the wasm engine', async () => {
    const wasm = await openResNet({ ENGINE: 'wasm' });
    assert.equal(wasm.get().info.engine, 'wasm');
    const { predictions } = await wasm.get().classify(await sample('balloon.jpg'), { topK: 4 });
    assert.deepEqual(
      predictions.map(({ label }) => label),
      ['balloon', 'water_tower', 'airship', 'parachute'],
    );
    await wasm.close();
  });
});
