import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { SAMPLE_NAMES, SAMPLES, sample } from '../helpers/samples.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

const real = await openRealModels();

describe('POST /predict names what is in a picture', { skip: real.missing }, () => {
  let server: TestApp;
  let pumpkin: Buffer;

  before(async () => {
    if (!real.models) return;
    server = await startApp({ models: real.models });
    pumpkin = await sample('pumpkin.jpg');
  });
  after(async () => {
    await server?.close();
    await real.models?.close();
  });

  const topLabel = (response: { body: { predictions: { label: string }[] } }) =>
    response.body.predictions[0]?.label;
  const send = (type: string, body: Buffer) =>
    server.http.post('/predict').set('content-type', type).send(body);

  for (const name of SAMPLE_NAMES) {
    test(`${name} is ${SAMPLES[name]}`, async () => {
      const response = await server.http.post('/predict').attach('image', await sample(name), name);
      assert.equal(response.status, 200, response.text);
      assert.equal(topLabel(response), SAMPLES[name]);
      assert.equal(response.body.model, 'resnet50');
      assert.equal(response.body.predictions.length, 5);
    });
  }

  test('every way to send the image gives the same predictions', async () => {
    const base64 = pumpkin.toString('base64');
    const answers = await Promise.all([
      server.http.post('/predict').attach('image', pumpkin, 'pumpkin.jpg'),
      server.http.post('/predict').attach('anything', pumpkin, { filename: 'x', contentType: 'text/plain' }),
      send('image/jpeg', pumpkin),
      send('image/png', pumpkin),
      send('IMAGE/JPEG; q=1', pumpkin),
      send('application/octet-stream', pumpkin),
      send('application/jpeg', pumpkin),
      server.http.post('/predict').send({ image: base64 }),
      server.http.post('/predict').send({ image: `data:image/jpeg;base64,${base64}` }),
    ]);
    for (const answer of answers) {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(topLabel(answer), SAMPLES['pumpkin.jpg']);
      // Images that share a batch may differ in the last digits.
      const [first] = answer.body.predictions;
      assert.ok(Math.abs(first.probability - answers[0].body.predictions[0].probability) < 0.02);
    }
  });

  test('every kind of file of one picture gives the same label', async () => {
    for (const format of ['png', 'webp', 'avif', 'tiff', 'gif'] as const) {
      const response = await send(`image/${format}`, await sharp(pumpkin).toFormat(format).toBuffer());
      assert.equal(response.status, 200, `${format}: ${response.text}`);
      assert.equal(topLabel(response), SAMPLES['pumpkin.jpg'], format);
    }
  });

  test('topK is as many as asked for, in the query or in the form; the query wins', async () => {
    const three = await send('image/jpeg', pumpkin).query({ topK: 3 });
    assert.equal(three.body.predictions.length, 3);
    const hundred = await send('image/jpeg', pumpkin).query({ topK: 100, model: 'resnet50' });
    assert.equal(hundred.body.predictions.length, 100);
    const probabilities = hundred.body.predictions.map(
      ({ probability }: { probability: number }) => probability,
    );
    assert.deepEqual(
      probabilities,
      [...probabilities].sort((a, b) => b - a),
    );
    const inForm = await server.http
      .post('/predict')
      .field('topK', '2')
      .attach('image', pumpkin, 'pumpkin.jpg')
      .field('model', 'resnet50');
    assert.equal(inForm.body.predictions.length, 2);
    const both = await server.http
      .post('/predict?topK=1')
      .field('topK', '2')
      .attach('image', pumpkin, 'pumpkin.jpg');
    assert.equal(both.body.predictions.length, 1);
  });

  test('an object of the store is classified by its key or its address there, and no other store is asked', async () => {
    const asked: string[] = [];
    // Only the call that the route makes; the adapters have their own tests.
    const objects = {
      uri: 's3://pictures',
      async get(key: string) {
        asked.push(key);
        return pumpkin;
      },
    } as unknown as ObjectStore;
    const withStore = await startApp({ models: real.models as NonNullable<typeof real.models>, objects });
    try {
      for (const object of ['input/pumpkin.jpg', 's3://pictures/input/pumpkin.jpg']) {
        const response = await withStore.http.post('/predict').send({ object });
        assert.equal(topLabel(response), SAMPLES['pumpkin.jpg'], response.text);
      }
      for (const object of [
        's3://others/input/pumpkin.jpg',
        'http://169.254.169.254/',
        'output/pumpkin.jpg.json',
        'jobs/1/job.json',
      ]) {
        const { status, body } = await withStore.http.post('/predict').send({ object });
        assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'], object);
      }
      assert.deepEqual(asked, ['input/pumpkin.jpg', 'input/pumpkin.jpg'], 'what is refused is not looked up');
    } finally {
      await withStore.close();
    }
  });

  test('GET /models tells what is loaded', async () => {
    const { body } = await server.http.get('/models');
    assert.equal(body.models[0].name, 'resnet50');
    assert.equal(body.models[0].precision, process.arch === 'x64' ? 'int8' : 'float32');
    assert.deepEqual([body.models[0].classes, body.models[0].labels], [1000, undefined]);
    const one = await server.http.get('/models/resnet50');
    assert.equal(one.body.labels[285], 'Egyptian_cat');
    assert.deepEqual([one.body.published.top1, one.body.published.top5], [0.749, 0.921]);
  });
});
