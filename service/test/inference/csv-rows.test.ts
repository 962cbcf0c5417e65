import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readCsvRows } from '../../src/inference/tabular/csv-rows.ts';

const features = [
  { name: 'size', type: 'number' },
  { name: 'colour', type: 'category' },
] as const;
const read = (text: string, maxRows?: number) => readCsvRows(text, undefined, features, maxRows);

describe('CSV rows', () => {
  test('every way to write a number is one, and nothing else is', () => {
    const cells = ['1', '-1.', '+.5', ' 12.25e-3 ', '1E+300', '.', 'e5', '1.2.3', '0x1', '1e1234', ''];
    const sizes = read(cells.map((cell) => `${cell},red`).join('\n')).map((row) => (row as unknown[])[0]);
    assert.deepEqual(sizes, [1, -1, 0.5, 0.01225, 1e300, '.', 'e5', '1.2.3', '0x1', '1e1234', '']);
  });

  test('a cell of 5,000 digits is no number, and too long a line is refused', () => {
    const long = `${'1'.repeat(5_000)}`;
    assert.deepEqual(read(`${long},red`), [[long, 'red']]);
    assert.throws(() => read(`1,red\n${'1'.repeat(1_000_000)}x,red`), {
      code: 'INVALID_REQUEST',
      message: 'line 2 of the CSV has more than 65536 characters',
    });
  });

  test('a line of commas alone is refused before it becomes cells', () => {
    assert.throws(() => read(','.repeat(1_000_000)), { code: 'INVALID_REQUEST', message: /line 1 .* more/ });
  });

  test('a quoted cell that spans lines is bounded like a line', () => {
    assert.throws(() => read(`1,"${'red\n'.repeat(50_000)}"`), {
      code: 'INVALID_REQUEST',
      message: /has more than 65536 characters/,
    });
  });

  test('parsing stops at the first row too many, whatever comes after it', () => {
    const rows = '1,red\n'.repeat(3);
    assert.equal(read(rows, 3).length, 3);
    assert.equal(read(`colour,size\n${'red,1\n'.repeat(3)}`, 3).length, 3);
    const broken = `${rows}1,red\n1,red\n"never closed`;
    assert.throws(() => read(broken, 3), { code: 'PAYLOAD_TOO_LARGE', message: /more than 3 rows/ });
  });
});
