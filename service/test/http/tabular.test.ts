import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Models } from '../../src/domain/classifier.ts';
import { type GoldenRow, goldenRows, onnxMissing, openModels } from '../helpers/example-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('POST /predict with rows', { skip: onnxMissing }, () => {
  let models: Models;
  let server: TestApp;
  let golden: GoldenRow[];

  before(async () => {
    models = await openModels({ MODELS: 'sklearn-iris,sklearn-diabetes' });
    server = await startApp({ models });
    golden = await goldenRows('sklearn-diabetes');
  });
  after(async () => {
    await server?.close();
    await models?.close();
  });

  const csv = (text: string, model = 'sklearn-diabetes', type = 'text/csv') =>
    server.http.post(`/predict?model=${model}`).set('content-type', type).send(text);
  const header = () => Object.keys(golden[0]?.row ?? {}).join(',');
  const lines = () => golden.map(({ row }) => Object.values(row).join(','));

  test('JSON instances get the default model’s class and probabilities', async () => {
    const { body } = await server.http
      .post('/predict')
      .send({ instances: [[5.1, 3.5, 1.4, 0.2]] })
      .expect(200);
    assert.equal(body.model, 'sklearn-iris');
    assert.equal(body.predictions[0].label, 'setosa');
    assert.deepEqual(Object.keys(body.predictions[0].probabilities), ['setosa', 'versicolor', 'virginica']);
  });

  test('CSV with a header, without one, with CRLF and a BOM, and with its columns in another order answers the same', async () => {
    const plain = await csv(lines().join('\n')).expect(200);
    const values = plain.body.predictions.map(({ value }: { value: number }) => value);
    for (const [index, { value }] of golden.entries()) {
      assert.ok(Math.abs(values[index] - (value ?? 0)) <= 1e-5 * (value ?? 0), `row ${index + 1}`);
    }
    const names = Object.keys(golden[0]?.row ?? {}).reverse();
    const turned = golden.map(({ row }) => names.map((name) => row[name]).join(','));
    for (const text of [
      [header(), ...lines()].join('\n'),
      `\ufeff${[header(), ...lines()].join('\r\n')}\r\n`,
      [names.join(','), ...turned].join('\n'),
    ]) {
      assert.deepEqual((await csv(text).expect(200)).body.predictions, plain.body.predictions);
    }
  });

  test('the Content-Type settles whether the first line is a header', async () => {
    const text = [header(), ...lines()].join('\n');
    assert.equal(
      (await csv(text, undefined, 'text/csv; header=present').expect(200)).body.predictions.length,
      20,
    );
    const { body } = await csv(text, undefined, 'text/csv; header=absent').expect(400);
    assert.deepEqual(body.at, { row: 1, column: 'age' });
  });

  const faults: [string, () => string, object | undefined][] = [
    ['a ragged row', () => `${lines()[0]}\n1,2,3`, { row: 2 }],
    [
      'text where a number belongs',
      () => (lines()[0] ?? '').replace(/^[^,]*/, 'old'),
      { row: 1, column: 'age' },
    ],
    ['an empty cell', () => (lines()[0] ?? '').replace(/^[^,]*/, ''), { row: 1, column: 'age' }],
    ['NaN', () => (lines()[0] ?? '').replace(/^[^,]*/, 'NaN'), { row: 1, column: 'age' }],
    ['an unknown category', () => (lines()[0] ?? '').replace(',b,', ',x,'), { row: 1, column: 'sex' }],
    ['a header with an unknown name', () => `${header()},height\n${lines()[0]},2`, { column: 'height' }],
    ['a header that lacks a name', () => 'age,sex\n1,a', { column: 'bmi' }],
    ['a header with a name twice', () => `${header()},age\n${lines()[0]},2`, { column: 'age' }],
    ['a quote that is never closed', () => `"${lines()[0]}`, undefined],
  ];
  for (const [name, text, at] of faults) {
    test(`CSV with ${name} gets 400 with the place`, async () => {
      const { body } = await csv(text()).expect(400);
      assert.equal(body.code, 'INVALID_REQUEST');
      assert.deepEqual(body.at, at, body.detail);
    });
  }

  test('rows for an image form, an image for a tabular model, and both at once get 400', async () => {
    const image = Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=', 'base64');
    const { body } = await server.http
      .post('/predict')
      .set('content-type', 'image/gif')
      .send(image)
      .expect(400);
    assert.match(body.detail, /takes rows, not images/);
    await server.http
      .post('/predict')
      .send({ instances: [[1, 2, 3, 4]], image: 'aGk=' })
      .expect(400);
    await server.http.post('/predict').send({ instances: [] }).expect(400);
    await server.http.post('/predict').send({ instances: 'no' }).expect(400);
    await server.http
      .post('/explain')
      .send({ instances: [[1, 2, 3, 4]] })
      .expect(400);
  });

  test('an unknown model gets 404 that names those there are', async () => {
    const { body } = await csv('1,2', 'nothing').expect(404);
    assert.equal(body.code, 'MODEL_NOT_FOUND');
    assert.match(body.detail, /sklearn-iris, sklearn-diabetes/);
  });

  test('GET /models lists both with their features', async () => {
    const { body } = await server.http.get('/models').expect(200);
    assert.deepEqual(
      body.models.map(({ input }: { input: { features: unknown[] } }) => input.features.length),
      [4, 10],
    );
  });
});
