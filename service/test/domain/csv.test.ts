import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { csvLines, resultHeader, resultLines } from '../../src/domain/csv.ts';
import type { ResultRow } from '../../src/domain/job/job.ts';

const image = { key: 'input/a.jpg', model: 'm', version: '1' };
const table = (topK: number, ...results: ResultRow[]) =>
  parse(resultHeader(topK) + resultLines(results, topK), { columns: true }) as Record<string, string>[];
const pick = (rows: Record<string, string>[], ...names: string[]) =>
  rows.map((row) => names.map((name) => row[name]));

describe('results as CSV', () => {
  test('ten columns come first, further classes after them', () => {
    assert.equal(
      resultHeader(3),
      'key,row,label,index,probability,value,model,version,error_code,error_message,label_2,probability_2,label_3,probability_3\n',
    );
    const predictions = [
      { label: 'cat, or so', index: 1, probability: 0.9 },
      { label: 'dog', index: 2, probability: 0.1 },
    ];
    assert.equal(
      resultLines([{ ...image, predictions }], 3),
      'input/a.jpg,,"cat, or so",1,0.9,,m,1,,,dog,0.1,,\n',
    );
  });

  test('an input that failed has its code and message', () => {
    const error = { code: 'UNREADABLE_IMAGE', message: 'not an image' };
    assert.equal(resultLines([{ key: 'k', error }], 1), 'k,,,,,,,,UNREADABLE_IMAGE,not an image\n');
  });

  test('a file of rows has a line per row, with its class, value or error', () => {
    const error = { code: 'INVALID_REQUEST', message: 'row 2: age is missing' };
    const iris = { label: 'setosa', index: 0, probability: 0.9, probabilities: { setosa: 0.9, other: 0.1 } };
    assert.deepEqual(
      pick(
        table(2, { ...image, predictions: [iris, { error }, iris] }),
        ...['row', 'label', 'probability', 'error_code', 'label_2'],
      ),
      [
        ['1', 'setosa', '0.9', '', ''],
        ['2', '', '', 'INVALID_REQUEST', ''],
        ['3', 'setosa', '0.9', '', ''],
      ],
    );
    assert.deepEqual(
      pick(table(1, { ...image, predictions: [{ value: -1.5 }, { value: 0 }] }), 'row', 'value', 'model'),
      [
        ['1', '-1.5', 'm'],
        ['2', '0', 'm'],
      ],
    );
  });

  test('keys with commas, quotes and line breaks are read back as they were', () => {
    for (const key of [
      'input/a,"b".jpg',
      'input/a\nb.jpg',
      'input/a\r\nb.jpg',
      'input/a\rb.jpg',
      ' input/é ',
    ]) {
      assert.equal(table(1, { key })[0]?.key, key);
    }
  });
});

describe('CSV in a spreadsheet', () => {
  test('a text that would be a formula gets an apostrophe', () => {
    for (const text of ['=HYPERLINK("x")', '+1', '-1+1', '@SUM(A1)', ' =1', '\t=1', '\r=1', '＝1', '|calc']) {
      assert.deepEqual(parse(csvLines([[text]])), [[`'${text}`]], JSON.stringify(text));
    }
  });

  test('numbers and other texts stay as they are', () => {
    assert.equal(csvLines([[-1.5, 1e-7, 'tabby', 'a=b', undefined, '']]), '-1.5,1e-7,tabby,a=b,,\n');
    assert.equal(csvLines([]), '');
  });
});
