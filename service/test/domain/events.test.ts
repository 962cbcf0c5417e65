import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldDropped, parseDropEvent } from '../../src/domain/job/events.ts';
import { bridged, notification } from '../helpers/s3-events.ts';

const keysOf = (event: unknown) =>
  parseDropEvent(event).flatMap(({ inputs }) => inputs.map(({ key }) => key));
const sqs = (...bodies: unknown[]) => ({
  Records: bodies.map((body, i) => ({
    messageId: `m${i}`,
    eventSource: 'aws:sqs',
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })),
});

test('every record of every message counts', () => {
  assert.deepEqual(keysOf({ Records: [notification('input/a'), notification('input/b')] }), [
    'input/a',
    'input/b',
  ]);
  const event = sqs({ Records: [notification('input/a'), notification('input/b')] }, bridged('input/c'));
  assert.deepEqual(keysOf(event), ['input/a', 'input/b', 'input/c']);
  const sns = { Type: 'Notification', Message: JSON.stringify({ Records: [notification('input/d')] }) };
  assert.deepEqual(keysOf(sqs(sns)), ['input/d']);
});

test('keys of notifications are form-encoded, those of EventBridge are as they are', () => {
  const key = 'input/a b+c%d#é\n日本.jpg';
  const encoded = encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');
  assert.deepEqual(keysOf({ Records: [notification(encoded)] }), [key]);
  assert.deepEqual(keysOf(bridged(key)), [key]);
  assert.deepEqual(keysOf(bridged('input/a+b%20c')), ['input/a+b%20c']);
});

test('what is no new picture under input/ is passed over without a fault', () => {
  const event = sqs(
    { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2014-10-13T15:57:02.089Z', Bucket: 'bucketname' },
    {
      Records: [
        notification('output/a.json'),
        notification('jobs/x/job.json'),
        notification('input/folder/'),
      ],
    },
    { Records: [notification('input/gone', {}, 'ObjectRemoved:Delete')] },
    bridged('input/gone', 'Object Deleted'),
  );
  assert.deepEqual(keysOf(event), []);
  assert.ok(parseDropEvent(event).every(({ fault }) => fault === undefined));
});

test('a message that cannot be understood is the only one at fault', () => {
  const event = sqs(
    '{ not json',
    bridged('input/a'),
    { hello: 'world' },
    { Records: [notification('input/%E0%A4%A')] },
    { Records: [{}] },
  );
  const faults = parseDropEvent(event).map(({ messageId, fault }) => [messageId, fault !== undefined]);
  assert.deepEqual(faults, [
    ['m0', true],
    ['m1', false],
    ['m2', true],
    ['m3', true],
    ['m4', true],
  ]);
});

test('of several versions of one key the one with the latest sequencer counts, in whatever order they come', () => {
  const records = [
    notification('input/a', { eTag: 'new', sequencer: '0055AED6DCD90281E6' }),
    notification('input/a', { eTag: 'old', sequencer: '0055AED6DCD90281E5' }),
    notification('input/0', { eTag: '"quoted"' }),
  ];
  const inputs = parseDropEvent({ Records: records }).flatMap((message) => message.inputs);
  const expected = [
    { key: 'input/0', etag: 'quoted', size: 1024, at: 0 },
    { key: 'input/a', etag: 'new', size: 1024, at: 0 },
  ];
  assert.deepEqual(foldDropped(inputs), expected);
  assert.deepEqual(foldDropped(inputs.toReversed()), expected);
});
