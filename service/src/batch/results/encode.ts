import { Readable } from 'node:stream';
import { resultHeader, resultLines } from '../../domain/csv.ts';
import type { ResultFormat } from '../../domain/job/job-layout.ts';
import { parseRows } from './chunks.ts';
import { type ParquetOptions, parquetOf } from './parquet.ts';

export const RESULT_TYPES: Readonly<Record<ResultFormat, string>> = {
  jsonl: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
};

/** The rows of a job in a format, as a stream with back-pressure. If the stream is destroyed, reading stops. */
export function encodeResults(
  chunks: AsyncIterable<Buffer>,
  format: ResultFormat,
  options: ParquetOptions,
): Readable {
  if (format === 'parquet') return parquetOf(chunks, options);
  const body = format === 'csv' ? csvOf(chunks, options.topK) : chunks;
  return Readable.from(body, { objectMode: false });
}

async function* csvOf(chunks: AsyncIterable<Buffer>, topK: number): AsyncGenerator<string> {
  yield resultHeader(topK);
  for await (const chunk of chunks) yield resultLines(parseRows(chunk), topK);
}
