import { once } from 'node:events';
import { PassThrough, type Readable } from 'node:stream';
import { ByteWriter, parquetWriteRows } from 'hyparquet-writer';
import { flattenRow } from '../../domain/flat-rows.ts';
import { parseRows } from './chunks.ts';

type Schema = NonNullable<Parameters<typeof parquetWriteRows>[0]['schema']>;

const text = (name: string) => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type: 'OPTIONAL',
});
const number = (name: string, type: 'INT32' | 'DOUBLE') => ({ name, type, repetition_type: 'OPTIONAL' });

/** Types that Athena, DuckDB and pyarrow read; `predictions` is a list of structs. */
const COLUMNS = [
  [{ ...text('key'), repetition_type: 'REQUIRED' }],
  [text('etag')],
  [number('row', 'INT32')],
  [text('label')],
  [number('index', 'INT32')],
  [number('probability', 'DOUBLE')],
  [number('value', 'DOUBLE')],
  [
    { name: 'predictions', converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'OPTIONAL', num_children: 3 },
    text('label'),
    number('index', 'INT32'),
    number('probability', 'DOUBLE'),
  ],
  [text('model')],
  [text('version')],
  [text('error_code')],
  [text('error_message')],
] as const;

export interface ParquetOptions {
  /** Classes per row. */
  readonly topK: number;
  /** Classes per row group: the unit of memory, and of the time that the event loop is blocked. */
  readonly groupClasses: number;
}

/** Results as Parquet, with one row group in memory. The columns are those of the CSV, with the etag and all classes. */
export function parquetOf(chunks: AsyncIterable<Buffer>, options: ParquetOptions): Readable {
  const output = new PassThrough();
  const closed = new AbortController();
  output.once('close', () => closed.abort());
  const writer = new ByteWriter();
  const write = async () => {
    const bytes = Buffer.from(writer.getBytes());
    writer.index = 0;
    closed.signal.throwIfAborted();
    if (!output.write(bytes)) await once(output, 'drain', { signal: closed.signal });
  };
  const done = parquetWriteRows({
    writer: Object.assign(writer, { flush: write, finish: write }),
    rows: tableRows(chunks),
    columns: COLUMNS.map(([{ name }]) => ({ name })),
    schema: [{ name: 'root', num_children: COLUMNS.length }, ...COLUMNS.flat()] as unknown as Schema,
    rowGroupSize: Math.max(100, Math.floor(options.groupClasses / options.topK)),
    statisticsTruncateLength: 128,
    createdBy: 'ml-serverless',
  });
  Promise.resolve(done).then(
    () => output.end(),
    (error: Error) => output.destroy(error),
  );
  return output;
}

async function* tableRows(chunks: AsyncIterable<Buffer>): AsyncGenerator<Record<string, unknown>> {
  for await (const chunk of chunks) {
    for (const result of parseRows(chunk)) {
      for (const { error, classes, ...row } of flattenRow(result)) {
        yield { ...row, predictions: classes, error_code: error?.code, error_message: error?.message };
      }
    }
  }
}
