import { after, before } from 'node:test';
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
