import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fromRoot } from '../helpers/root.ts';

interface Csv {
  csvHeader(topK: number): string;
  csvRow(result: object, topK: number): string;
}
const { csvHeader, csvRow } = (await import(
  pathToFileURL(fromRoot('service/web/csv.js')).href
)) as unknown as Csv;
const model = { model: 'm', version: '1' };

describe('the CSV of the page', () => {
  it('has one line a picture, with as many classes as were asked for', () => {
    assert.equal(
      csvHeader(2),
      'key,row,model,version,label_1,probability_1,label_2,probability_2,value,error_code,error_message\r\n',
    );
    const predictions = [{ label: 'cat, or so', index: 1, probability: 0.9 }];
    assert.equal(
      csvRow({ key: 'input/a.jpg', ...model, predictions }, 2),
      'input/a.jpg,,m,1,"cat, or so",0.9,,,,,\r\n',
    );
  });

  it('tells what became of a picture that failed', () => {
    const error = { code: 'UNREADABLE_IMAGE', message: 'no picture' };
    assert.equal(csvRow({ key: 'k', error }, 1), 'k,,,,,,,UNREADABLE_IMAGE,no picture\r\n');
  });

  it('has one line for each row of a table: class, value or error', () => {
    const predictions = [
      { label: 'good', index: 1, probability: 0.75, probabilities: { bad: 0.25, good: 0.75 } },
      { value: 12.5 },
      { error: { code: 'INVALID_REQUEST', message: 'row 3' } },
    ];
    assert.equal(
      csvRow({ key: 'k', ...model, predictions }, 1),
      'k,1,m,1,good,0.75,,,\r\nk,2,m,1,,,12.5,,\r\nk,3,m,1,,,,INVALID_REQUEST,row 3\r\n',
    );
  });

  it('keeps text that a spreadsheet would take for a formula', () => {
    assert.match(csvRow({ key: '=HYPERLINK("x")', ...model, predictions: [] }, 1), /^"'=HYPERLINK/);
  });
});
