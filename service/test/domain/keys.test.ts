import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../../src/domain/errors.ts';
import {
  indexKey,
  jobIdOfIndexKey,
  jobLayout,
  parseChunkNumber,
  parseJobUri,
  parseMarker,
} from '../../src/domain/job/job-layout.ts';
import {
  compareKeys,
  inputOfOutput,
  outputKey,
  parseInputKey,
  parseObjectKey,
  uploadKey,
} from '../../src/domain/keys.ts';

const isInvalid = (error: unknown) => isAppError(error, 'INVALID_REQUEST');

test('keys are compared as their UTF-8 bytes are, also beyond the basic plane', () => {
  const keys = [
    'a',
    'a/b',
    'a b',
    'a.b',
    '',
    '\u{1F408}',
    '\uFFFD',
    '\uE000',
    'é',
    'e\u0301',
    'Z',
    'z',
    '\u{10FFFF}',
    '\uD7FF',
  ];
  const byBytes = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual([...keys].sort(compareKeys), byBytes);
});

test('a request may name a key or the same with the address of the own store, and nothing else', () => {
  assert.equal(parseInputKey('input/a b.jpg', 's3://bucket'), 'input/a b.jpg');
  assert.equal(parseInputKey('s3://bucket/input/ä', 's3://bucket'), 'input/ä');
  for (const text of [
    's3://other/input/a',
    'http://169.254.169.254/input/',
    'jobs/x/job.json',
    'output/a',
    '',
    '/input/a',
    'file:///etc/passwd',
  ]) {
    assert.throws(() => parseInputKey(text, 's3://bucket'), isInvalid, text);
  }
  assert.throws(() => parseInputKey(`input/${'x'.repeat(1020)}`, 's3://bucket'), isInvalid);
  assert.throws(() => parseInputKey('input/\ud800', 's3://bucket'), isInvalid);
});

test('a single object may also be an upload, but uploads have no prefix', () => {
  const key = uploadKey('0123456789abcdef0123456789abcdef', 'cats/ü a.jpg');
  assert.equal(parseObjectKey(key, 's3://bucket'), key);
  assert.equal(parseObjectKey(`s3://bucket/${key}`, 's3://bucket'), key);
  assert.equal(parseObjectKey('input/a.jpg', 's3://bucket'), 'input/a.jpg');
  assert.throws(() => parseInputKey(key, 's3://bucket'), isInvalid);
  for (const text of [
    'uploads/',
    'uploads/0123/a.jpg',
    key.slice(0, 41),
    `s3://other/${key}`,
    `jobs/x/${key}`,
  ])
    assert.throws(() => parseObjectKey(text, 's3://bucket'), isInvalid, text);
});

test('an input and its output name each other, except where the name would be too long', () => {
  for (const key of ['input/a.jpg', 'input/a/b c\n+%.png', 'input/../x', 'input/a.json']) {
    assert.equal(inputOfOutput(outputKey(key) ?? ''), key);
  }
  assert.equal(outputKey('jobs/r-1/uploads/0123456789abcdef/a/b.jpg'), 'jobs/r-1/outputs/a/b.jpg.json');
  assert.equal(outputKey('jobs/r-1/job.json'), undefined);
  assert.equal(outputKey(`input/${'x'.repeat(1018)}`), undefined);
});

test('markers, chunks and index entries can be read back', () => {
  const layout = jobLayout('r-1');
  assert.deepEqual(parseMarker(layout.chunkMarker(3, 12, 100, 28)), {
    id: '00003-0012',
    succeeded: 100,
    failed: 28,
  });
  assert.deepEqual(parseMarker(layout.shardMarker(9999, 5000, 0)), {
    id: '09999',
    succeeded: 5000,
    failed: 0,
  });
  assert.equal(parseChunkNumber(layout.chunk(0, 12345)), 12345);
  assert.equal(parseChunkNumber(layout.shard(0)), undefined);
  const older = indexKey('a', '2026-01-01T00:00:00.000Z');
  const newer = indexKey('b', '2026-01-01T00:00:00.001Z');
  assert.ok(compareKeys(newer, older) < 0, 'newer jobs come first');
  assert.equal(jobIdOfIndexKey(newer), 'b');
});

test("a worker's JOB_URI is the store and the job, or refused", () => {
  assert.deepEqual(parseJobUri('s3://b/jobs/r-1/job.json'), { storeUri: 's3://b', jobId: 'r-1' });
  assert.deepEqual(parseJobUri('file:///tmp/jobs/x/jobs/r-1/job.json'), {
    storeUri: 'file:///tmp/jobs/x',
    jobId: 'r-1',
  });
  assert.throws(
    () => parseJobUri('s3://b/jobs/../job.json'),
    (e) => isAppError(e, 'INVALID_CONFIGURATION'),
  );
});
