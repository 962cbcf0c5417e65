import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Models } from '../../src/domain/classifier.ts';
import { type GoldenRow, goldenRows, onnxMissing, openModels } from '../helpers/example-models.ts';
import { noise } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';

// The answers as the protocol's published OpenAPI document (open_inference_rest.yaml, version 2.0) requires them.
const tensor = { name: Type.String(), datatype: Type.String(), shape: Type.Array(Type.Integer()) };
const item = Type.Union([Type.Number(), Type.String(), Type.Boolean()]);
const PROTOCOL = {
  server: Type.Object({
    name: Type.String(),
    version: Type.String(),
    extensions: Type.Array(Type.String()),
  }),
  model: Type.Object({
    name: Type.String(),
    platform: Type.String(),
    versions: Type.Array(Type.String()),
    inputs: Type.Array(Type.Object(tensor)),
    outputs: Type.Array(Type.Object(tensor)),
  }),
  answer: Type.Object({
    model_name: Type.String(),
    model_version: Type.Optional(Type.String()),
    id: Type.Optional(Type.String()),
    outputs: Type.Array(Type.Object({ ...tensor, data: Type.Array(item) })),
  }),
  error: Type.Object({ error: Type.String({ minLength: 1 }) }),
};

function assertIs(kind: keyof typeof PROTOCOL, body: unknown): void {
  const [fault] = Value.Errors(PROTOCOL[kind], body);
  assert.equal(fault, undefined, `${kind}: ${JSON.stringify(body)}`);
}

/** A client that knows only the protocol: every tensor has as many values as its shape says. */
function tensorsOf(body: { outputs: { name: string; shape: number[]; data: unknown[] }[] }) {
  assertIs('answer', body);
  for (const { name, shape, data } of body.outputs) {
    assert.equal(
      data.length,
      shape.reduce((product, side) => product * side, 1),
      name,
    );
  }
  return new Map(body.outputs.map((output) => [output.name, output]));
}

describe('the Open Inference Protocol', { skip: onnxMissing }, () => {
  let tiny: TinyModel;
  let tables: Models;
  let images: Models;
  let tabular: TestApp;
  let image: TestApp;
  let iris: GoldenRow[];
  let diabetes: GoldenRow[];

  before(async () => {
    [iris, diabetes] = await Promise.all([goldenRows('sklearn-iris'), goldenRows('sklearn-diabetes')]);
    tiny = await makeTinyModel();
    tables = await openModels({ MODELS: 'sklearn-iris,sklearn-diabetes' });
    images = await openModels({ ...tiny.env });
    tabular = await startApp({ models: tables });
    image = await startApp({ models: images });
  });
  after(async () => {
    await Promise.all([tabular?.close(), image?.close()]);
    await Promise.all([tables?.close(), images?.close(), tiny?.close()]);
  });

  test('health and metadata answer as the protocol says, with and without a version', async () => {
    await tabular.http.get('/v2/health/live').expect(200);
    await tabular.http.get('/v2/health/ready').expect(200);
    assertIs('server', (await tabular.http.get('/v2').expect(200)).body);
    for (const path of ['/v2/models/sklearn-iris', '/v2/models/sklearn-iris/versions/1.0.0']) {
      const { body } = await tabular.http.get(path).expect(200);
      assertIs('model', body);
      assert.equal(body.inputs.length, 4);
      await tabular.http.get(`${path}/ready`).expect(200);
    }
  });

  test('one matrix, flat or nested, gets scikit-learn’s labels and probabilities', async () => {
    const matrix = iris.map(({ row }) => Object.values(row));
    for (const data of [matrix, matrix.flat()]) {
      const inputs = [{ name: 'input', shape: [matrix.length, 4], datatype: 'FP32', data }];
      const { body } = await tabular.http
        .post('/v2/models/sklearn-iris/infer')
        .send({ id: '42', inputs })
        .expect(200);
      assert.equal(body.id, '42');
      const outputs = tensorsOf(body);
      assert.deepEqual(
        outputs.get('label')?.data,
        iris.map(({ label }) => label),
      );
      const shares = iris.flatMap(({ probabilities = {} }) => Object.values(probabilities));
      for (const [index, share] of shares.entries()) {
        assert.ok(Math.abs(Number(outputs.get('probabilities')?.data[index]) - share) <= 1e-5);
      }
    }
  });

  test('one tensor a column, as the metadata names them, gets scikit-learn’s values', async () => {
    const path = '/v2/models/sklearn-diabetes';
    const { body: metadata } = await tabular.http.get(path).expect(200);
    const inputs = metadata.inputs.map(({ name, datatype }: { name: string; datatype: string }) => ({
      name,
      datatype,
      shape: [diabetes.length, 1],
      data: diabetes.map(({ row }) => row[name]),
    }));
    const { body } = await tabular.http.post(`${path}/versions/1.0.0/infer`).send({ inputs }).expect(200);
    const values = tensorsOf(body).get('value')?.data ?? [];
    for (const [index, { value = 0 }] of diabetes.entries()) {
      assert.ok(Math.abs(Number(values[index]) - value) <= 1e-5 * value, `row ${index + 1}`);
    }
  });

  test('only the outputs that are asked for are sent', async () => {
    const inputs = [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [5, 3, 1, 0] }];
    const ask = (name: string) =>
      tabular.http.post('/v2/models/sklearn-iris/infer').send({ inputs, outputs: [{ name }] });
    assert.deepEqual([...tensorsOf((await ask('label').expect(200)).body).keys()], ['label']);
    assertIs('error', (await ask('nothing').expect(400)).body);
  });

  test('images as BYTES get the classes that POST /predict gives them', async () => {
    const pictures = await Promise.all([32, 48].map((side) => noise(side, side)));
    const data = pictures.map((picture) => picture.toString('base64'));
    const inputs = [{ name: 'image', shape: [2], datatype: 'BYTES', data }];
    const { body } = await image.http
      .post('/v2/models/tiny/infer')
      .send({ inputs, parameters: { topK: 3 } })
      .expect(200);
    const outputs = tensorsOf(body);
    assert.deepEqual(outputs.get('label')?.shape, [2, 3]);
    for (const [index, picture] of pictures.entries()) {
      const alone = await image.http
        .post('/predict?topK=3')
        .set('content-type', 'image/png')
        .send(picture)
        .expect(200);
      assert.deepEqual(
        outputs.get('label')?.data.slice(index * 3, index * 3 + 3),
        alone.body.predictions.map(({ label }: { label: string }) => label),
      );
    }
  });

  const faults: [string, string, object, number][] = [
    ['an unknown model', 'nothing', {}, 404],
    ['an unknown version', 'sklearn-iris/versions/9', {}, 404],
    ['a shape that the data does not have', 'sklearn-iris', { shape: [2, 4] }, 400],
    ['an unknown datatype', 'sklearn-iris', { datatype: 'FP8' }, 400],
    ['a matrix of another width', 'sklearn-iris', { shape: [2, 2] }, 400],
    ['a negative shape', 'sklearn-iris', { shape: [-1, -4] }, 400],
    ['text for a number', 'sklearn-iris', { data: [1, 2, 'x', 4] }, 400],
    ['no data', 'sklearn-iris', { data: undefined }, 400],
  ];
  for (const [name, model, change, status] of faults) {
    test(`${name} gets ${status} and the protocol’s error object`, async () => {
      const inputs = [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [5, 3, 1, 0], ...change }];
      const { body } = await tabular.http.post(`/v2/models/${model}/infer`).send({ inputs }).expect(status);
      assertIs('error', body);
    });
  }
});
