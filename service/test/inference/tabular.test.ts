import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Models } from '../../src/domain/classifier.ts';
import { type GoldenRow, goldenRows, onnxMissing, openModels } from '../helpers/example-models.ts';

/** What the examples promise: scikit-learn's answers within this, relative to the value where that is above 1. */
const TOLERANCE = 1e-5;

function assertClose(actual: number | undefined, expected: number, what: string): void {
  const difference = Math.abs((actual ?? Number.NaN) - expected) / Math.max(1, Math.abs(expected));
  assert.ok(difference <= TOLERANCE, `${what}: ${actual}, scikit-learn says ${expected}`);
}

describe('tabular models from scikit-learn', { skip: onnxMissing }, () => {
  let models: Models;
  let iris: GoldenRow[];
  let diabetes: GoldenRow[];

  before(async () => {
    [iris, diabetes] = await Promise.all([goldenRows('sklearn-iris'), goldenRows('sklearn-diabetes')]);
    models = await openModels({ MODELS: 'sklearn-iris,sklearn-diabetes' });
  });
  after(() => models?.close());

  const predict = async (name: string, rows: readonly (GoldenRow['row'] | unknown[])[]) =>
    (await models.tabular?.(name).predict(rows))?.predictions ?? [];

  test('a classifier answers the labels and probabilities that scikit-learn answers', async () => {
    const predictions = await predict(
      'sklearn-iris',
      iris.map(({ row }) => row),
    );
    assert.equal(predictions.length, 20);
    for (const [index, golden] of iris.entries()) {
      const prediction = predictions[index];
      assert.ok(prediction && 'label' in prediction);
      assert.equal(prediction.label, golden.label);
      for (const [label, share] of Object.entries(golden.probabilities ?? {})) {
        assertClose(prediction.probabilities[label], share, `row ${index + 1}, ${label}`);
      }
    }
  });

  test('a regressor with a text column answers the values that scikit-learn answers', async () => {
    const predictions = await predict(
      'sklearn-diabetes',
      diabetes.map(({ row }) => row),
    );
    for (const [index, golden] of diabetes.entries()) {
      const prediction = predictions[index];
      assert.ok(prediction && 'value' in prediction);
      assertClose(prediction.value, golden.value ?? Number.NaN, `row ${index + 1}`);
    }
  });

  test('rows as arrays and as objects mean the same, in whatever order the members stand', async () => {
    const [first] = iris;
    const row = first?.row ?? {};
    const reversed = Object.fromEntries(Object.entries(row).reverse());
    const [a, b, c] = await predict('sklearn-iris', [row, reversed, Object.values(row)]);
    assert.deepEqual(a, b);
    assert.deepEqual(a, c);
  });

  test('three thousand rows come back in their order, the same as one by one', async () => {
    const rows = Array.from({ length: 3000 }, (_, index) => iris[index % iris.length]?.row ?? {});
    const predictions = await predict('sklearn-iris', rows);
    const alone = await Promise.all(iris.map(async ({ row }) => (await predict('sklearn-iris', [row]))[0]));
    assert.deepEqual(
      predictions,
      rows.map((_, index) => alone[index % iris.length]),
    );
  });

  const faults: [string, string, unknown, object, RegExp][] = [
    ['a row that is too short', 'sklearn-iris', [1, 2, 3], { row: 2 }, /row 2 has 3 values instead of 4/],
    ['a row that is too long', 'sklearn-iris', [1, 2, 3, 4, 5], { row: 2 }, /has 5 values/],
    ['a row that is no row', 'sklearn-iris', 7, { row: 2 }, /neither an array nor an object/],
    ['null for a row', 'sklearn-iris', null, { row: 2 }, /neither an array nor an object/],
    [
      'NaN',
      'sklearn-iris',
      [1, Number.NaN, 3, 4],
      { row: 2, column: 'sepal_width_cm' },
      /is NaN, not a finite/,
    ],
    [
      'what float32 cannot hold',
      'sklearn-iris',
      [1, 2, 1e39, 4],
      { row: 2, column: 'petal_length_cm' },
      /not a finite/,
    ],
    [
      'text for a number',
      'sklearn-iris',
      [1, '2', 3, 4],
      { row: 2, column: 'sepal_width_cm' },
      /is "2", not a finite/,
    ],
    [
      'a number out of its bounds',
      'sklearn-iris',
      [-1, 2, 3, 4],
      { row: 2, column: 'sepal_length_cm' },
      /is -1, below 0/,
    ],
    [
      'null for a number',
      'sklearn-iris',
      [1, 2, 3, null],
      { row: 2, column: 'petal_width_cm' },
      /is missing/,
    ],
  ];
  for (const [name, model, row, at, message] of faults) {
    test(`${name} is refused with its row and column`, async () => {
      const good = iris[0]?.row ?? {};
      await assert.rejects(
        predict(model, [good, row as unknown[]]),
        (error: Error & { code: string; details: { at: object } }) => {
          assert.equal(error.code, 'INVALID_REQUEST');
          assert.match(error.message, message);
          assert.deepEqual(error.details.at, at);
          return true;
        },
      );
    });
  }

  test('an unknown category, an unknown column and a missing column are refused by name', async () => {
    const row = diabetes[0]?.row ?? {};
    const { sex: _, ...without } = row;
    for (const [bad, column, message] of [
      [{ ...row, sex: 'c' }, 'sex', /sex is "c", not one of "a", "b"/],
      [{ ...row, sex: 1 }, 'sex', /sex is 1, not one of/],
      [{ ...row, height: 2 }, 'height', /height is unknown; the model takes age, sex/],
      [without, 'sex', /sex is missing/],
    ] as const) {
      await assert.rejects(predict('sklearn-diabetes', [bad]), (error: Error & { details: object }) => {
        assert.match(error.message, message);
        assert.deepEqual(error.details, { at: { row: 1, column } });
        return true;
      });
    }
  });

  test('a member called __proto__ is an unknown column like any other', async () => {
    const row = JSON.parse('{"__proto__": 1}');
    await assert.rejects(predict('sklearn-iris', [row]), {
      code: 'INVALID_REQUEST',
      message: /__proto__ is unknown/,
    });
  });

  test('no rows, and more than MAX_ROWS, are refused', async () => {
    await assert.rejects(predict('sklearn-iris', []), { code: 'INVALID_REQUEST' });
    const small = await openModels({ MODEL: 'sklearn-iris', MAX_ROWS: '2' });
    const rows = iris.slice(0, 3).map(({ row }) => row);
    await assert.rejects(small.tabular?.().predict(rows) ?? Promise.resolve(), { code: 'PAYLOAD_TOO_LARGE' });
    await small.close();
  });

  test('GET /models has what a caller needs to write a row', () => {
    const [first, second] = models.list();
    assert.ok(first && 'features' in first.input && second && 'features' in second.input);
    assert.deepEqual(first.labels, ['setosa', 'versicolor', 'virginica']);
    assert.equal(first.engine, 'onnx');
    assert.equal(second.task, 'tabular-regression');
    assert.deepEqual(second.input.features[1], { name: 'sex', type: 'category', categories: ['a', 'b'] });
  });
});
