import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { encodeResults } from '../../src/batch/results/encode.ts';
import type { ResultRow } from '../../src/domain/job/job.ts';

const named = { model: 'm', version: '1.0' };
const CLASSES = [
  { label: 'tabby', index: 281, probability: 0.7 },
  { label: 'tiger, "cat"', index: 282, probability: 0.2 },
];
const PROBABILITIES = { setosa: 0.25, virginica: 0.75 };
const ROWS: ResultRow[] = [
  { key: 'input/a.jpg', etag: 'e1', ...named, predictions: CLASSES },
  { key: 'input/=b\n\u202e".jpg', error: { code: 'UNREADABLE_IMAGE', message: 'é \ud83d\ude00' } },
  { key: `input/${'x'.repeat(1018)}`, etag: 'e2', ...named, predictions: CLASSES.slice(1) },
  {
    key: 'input/t.csv',
    etag: 'e3',
    ...named,
    predictions: [
      { label: 'virginica', index: 1, probability: 0.75, probabilities: PROBABILITIES },
      { error: { code: 'INVALID_REQUEST', message: 'row 2: age is missing' } },
      { value: -1.5e-300 },
    ],
  },
];
const empty = { etag: null, row: null, label: null, index: null, probability: null, value: null };
const none = { predictions: null, model: null, version: null, error_code: null, error_message: null };
const of = (values: object) => ({ ...empty, ...none, ...values });
const table = { key: 'input/t.csv', etag: 'e3', ...named };
const EXPECTED = [
  of({ key: 'input/a.jpg', etag: 'e1', ...named, ...CLASSES[0], predictions: CLASSES }),
  of({ key: ROWS[1]?.key, error_code: 'UNREADABLE_IMAGE', error_message: 'é \ud83d\ude00' }),
  of({ key: ROWS[2]?.key, etag: 'e2', ...named, ...CLASSES[1], predictions: [CLASSES[1]] }),
  of({
    ...table,
    row: 1,
    label: 'virginica',
    index: 1,
    probability: 0.75,
    predictions: [
      { label: 'virginica', index: null, probability: 0.75 },
      { label: 'setosa', index: null, probability: 0.25 },
    ],
  }),
  of({
    ...table,
    row: 2,
    predictions: [],
    error_code: 'INVALID_REQUEST',
    error_message: 'row 2: age is missing',
  }),
  of({ ...table, row: 3, predictions: [], value: -1.5e-300 }),
];

async function* chunksOf(rows: readonly ResultRow[], size = 3): AsyncGenerator<Buffer> {
  for (let i = 0; i < rows.length; i += size)
    yield Buffer.from(
      rows
        .slice(i, i + size)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
}

const readers = {
  pyarrow: `
import pyarrow.parquet as pq
rows = pq.read_table(path).to_pylist()
types = {f.name: str(f.type) for f in pq.read_schema(path)}
`,
  duckdb: `
import duckdb
found = duckdb.execute('select * from read_parquet(?)', [path])
names = [d[0] for d in found.description]
rows = [dict(zip(names, row)) for row in found.fetchall()]
types = dict(duckdb.execute('select column_name, column_type from (describe select * from read_parquet(?))', [path]).fetchall())
`,
};

const TYPES = {
  pyarrow: {
    ...{ key: 'string', etag: 'string', row: 'int32', label: 'string', index: 'int32' },
    ...{ probability: 'double', value: 'double' },
    predictions: 'list<element: struct<label: string, index: int32, probability: double>>',
    ...{ model: 'string', version: 'string', error_code: 'string', error_message: 'string' },
  },
  duckdb: {
    ...{ key: 'VARCHAR', etag: 'VARCHAR', row: 'INTEGER', label: 'VARCHAR', index: 'INTEGER' },
    ...{ probability: 'DOUBLE', value: 'DOUBLE' },
    predictions: 'STRUCT("label" VARCHAR, "index" INTEGER, probability DOUBLE)[]',
    ...{ model: 'VARCHAR', version: 'VARCHAR', error_code: 'VARCHAR', error_message: 'VARCHAR' },
  },
};

for (const reader of ['pyarrow', 'duckdb'] as const) {
  const isMissing = spawnSync('python3', ['-c', `import ${reader}`]).status !== 0;
  describe(`Parquet, read by ${reader}`, {
    skip: isMissing && `needs ${reader}: pip install ${reader}`,
  }, () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'parquet-'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    async function read(rows: readonly ResultRow[], groupClasses: number) {
      const path = join(folder, 'results.parquet');
      await writeFile(
        path,
        await buffer(encodeResults(chunksOf(rows), 'parquet', { topK: 2, groupClasses })),
      );
      const program = `import json, sys\npath = sys.argv[1]\n${readers[reader]}\nprint(json.dumps([rows, types]))`;
      const options = { maxBuffer: 2 ** 28, encoding: 'utf8' } as const;
      return JSON.parse(execFileSync('python3', ['-c', program, path], options));
    }

    test('has every row and its types', async () => {
      assert.deepEqual(await read(ROWS, 10_000), [EXPECTED, TYPES[reader]]);
    });

    test('has the same types without a row', async () => {
      assert.deepEqual(await read([], 10_000), [[], TYPES[reader]]);
    });

    test('has every row in order when it has many groups', async () => {
      const many = Array.from({ length: 1_001 }, (_, n) => ({ ...(ROWS[n % 3] as ResultRow), key: `k${n}` }));
      const [rows] = await read(many, 1);
      assert.deepEqual(
        rows.map(({ key }: { key: string }) => key),
        many.map(({ key }) => key),
      );
      assert.deepEqual({ ...rows[999], key: 'input/a.jpg' }, EXPECTED[0]);
    });
  });
}

describe('a stream of results', () => {
  for (const format of ['jsonl', 'csv', 'parquet'] as const) {
    test(`${format}: reads no further than its consumer, and stops when it is closed`, async () => {
      let read = 0;
      let isClosed = false;
      async function* endless() {
        try {
          for (;;) {
            read += 1;
            const rows = Array.from({ length: 100 }, (_, n) => ({
              ...(ROWS[0] as ResultRow),
              key: `${read}-${n}`,
            }));
            yield* chunksOf(rows, 100);
          }
        } finally {
          isClosed = true;
        }
      }
      const stream = encodeResults(endless(), format, { topK: 2, groupClasses: 200 });
      for await (const _ of stream) if (read >= 10) break;
      const atEnd = read;
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.ok(isClosed);
      assert.ok(read <= atEnd + 2, `${read} chunks, ${atEnd} at the end`);
    });

    test(`${format}: fails if a chunk cannot be read`, async () => {
      async function* broken() {
        yield* chunksOf(ROWS);
        throw new Error('the store is away');
      }
      const stream = encodeResults(broken(), format, { topK: 2, groupClasses: 200 });
      await assert.rejects(buffer(stream), /the store is away/);
    });
  }
});
