import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';
import { ODD_KEYS, testObjectStore } from './conformance.ts';

const program = await findVersitygw();
let server: S3Server | undefined;
let store: ObjectStore;

before(async () => {
  if (!program) return;
  server = await startS3Server(program);
  store = createS3Store(server.bucket, { endpoint: server.endpoint });
});
after(() => server?.close());

testObjectStore('s3', {
  store: () => store,
  keys: ODD_KEYS,
  many: 2300,
  skip: program ? undefined : VERSITYGW_MISSING,
});

test('a presigned address gives anyone the object, with the headers that were asked for', {
  skip: !program && VERSITYGW_MISSING,
}, async () => {
  const key = 'jobs/j/results ä+&=%2F.jsonl.gz';
  await store.put(key, gzipSync('{"a":1}\n'));
  const headers = { contentType: 'application/x-ndjson', contentEncoding: 'gzip' };
  const address = await store.presign?.(key, headers);
  const response = await fetch(String(address));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/x-ndjson');
  assert.equal(await response.text(), '{"a":1}\n');
  const other = String(address).replace('results', 'secrets');
  assert.equal((await fetch(other)).status, 403);
});
