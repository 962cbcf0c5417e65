import { compareKeys, INPUT_PREFIX, isFolderMarker } from '../keys.ts';
import type { ShardInput } from './job.ts';

/** One message: the objects that it reports, or why it cannot be parsed. */
export interface DropMessage {
  /** SQS message id; absent if the event came directly from S3 or EventBridge. */
  readonly messageId?: string;
  readonly inputs: readonly DroppedInput[];
  readonly fault?: string;
}

export interface DroppedInput extends ShardInput {
  readonly bucket: string;
  /** S3's order of the changes to one key; see `compareSequencers`. */
  readonly sequencer: string;
  /** Time of creation in ms since 1970; absent if the event has none. */
  readonly at?: number;
}

/** One version of a dropped object, with its time if known. */
export type DroppedVersion = ShardInput & Pick<DroppedInput, 'at'>;

type Json = Record<string, unknown>;

/**
 * Parses the events that S3 sends when an object is created: event notifications and EventBridge "Object Created"
 * events, direct or inside SQS messages (and SNS envelopes), any number of records each. Records of anything but a
 * created object under `input/` (removals, outputs, folder markers, `s3:TestEvent`) give no inputs and no fault.
 *
 * @param event the Lambda event, as parsed JSON
 */
export function parseDropEvent(event: unknown): DropMessage[] {
  const records = isObject(event) && Array.isArray(event.Records) ? event.Records : undefined;
  if (records?.some((record) => isObject(record) && sourceOf(record) === 'aws:sqs')) {
    return records.map((record) => {
      const messageId = isObject(record) && typeof record.messageId === 'string' ? record.messageId : '';
      try {
        const body: unknown = JSON.parse(String(isObject(record) ? record.body : undefined));
        return { messageId, inputs: parseBody(body) };
      } catch (error) {
        return { messageId, inputs: [], fault: error instanceof Error ? error.message : String(error) };
      }
    });
  }
  try {
    return [{ inputs: parseBody(event) }];
  } catch (error) {
    return [{ inputs: [], fault: error instanceof Error ? error.message : String(error) }];
  }
}

/** The latest version of each key, in the order of the keys. */
export function foldDropped(inputs: Iterable<DroppedInput>): DroppedVersion[] {
  const latest = new Map<string, DroppedInput>();
  for (const input of inputs) {
    const known = latest.get(input.key);
    if (!known || compareSequencers(known.sequencer, input.sequencer) <= 0) latest.set(input.key, input);
  }
  return [...latest.values()]
    .sort((a, b) => compareKeys(a.key, b.key))
    .map(({ key, etag, size, at }) => ({
      key,
      ...(etag ? { etag } : {}),
      ...(size === undefined ? {} : { size }),
      ...(at === undefined ? {} : { at }),
    }));
}

/** S3: "right-pad the shorter with zeros, then compare as text". */
function compareSequencers(a: string, b: string): number {
  const length = Math.max(a.length, b.length);
  const [x, y] = [a.padEnd(length, '0').toUpperCase(), b.padEnd(length, '0').toUpperCase()];
  return x < y ? -1 : x > y ? 1 : 0;
}

function parseBody(body: unknown): DroppedInput[] {
  if (!isObject(body)) throw new Error('the message is not a JSON object');
  if (body.Event === 's3:TestEvent') return [];
  if (body.Type === 'Notification' && typeof body.Message === 'string')
    return parseBody(JSON.parse(body.Message));
  if (typeof body['detail-type'] === 'string') return parseEventBridge(body);
  if (Array.isArray(body.Records)) return body.Records.flatMap(parseRecord);
  throw new Error('the message is neither an S3 event notification nor an EventBridge event');
}

/** EventBridge does not encode keys. */
function parseEventBridge(event: Json): DroppedInput[] {
  if (event.source !== 'aws.s3' || event['detail-type'] !== 'Object Created') return [];
  const detail = isObject(event.detail) ? event.detail : {};
  const object = isObject(detail.object) ? detail.object : {};
  return dropped(detail.bucket, object, object.key, object.etag, event.time);
}

/** Event notifications send keys form-encoded: `+` for a space, %XX for the rest. */
function parseRecord(record: unknown): DroppedInput[] {
  if (!isObject(record)) throw new Error('a record is not a JSON object');
  const name = record.eventName;
  if (name === 's3:TestEvent') return [];
  if (sourceOf(record) !== 'aws:s3' || typeof name !== 'string') {
    throw new Error(`a record comes from ${JSON.stringify(sourceOf(record) ?? null)}, not from aws:s3`);
  }
  if (!/^(s3:)?ObjectCreated:/.test(name)) return [];
  const s3 = isObject(record.s3) ? record.s3 : {};
  const object = isObject(s3.object) ? s3.object : {};
  // versitygw names its configuration `<sender>-global` and does not encode keys.
  const raw = typeof s3.configurationId === 'string' && /^[a-z]+-global$/.test(s3.configurationId);
  const key =
    typeof object.key === 'string' && !raw ? decodeURIComponent(object.key.replaceAll('+', ' ')) : object.key;
  return dropped(s3.bucket, object, key, object.eTag, record.eventTime);
}

function dropped(bucket: unknown, object: Json, key: unknown, etag: unknown, time: unknown): DroppedInput[] {
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  const name = isObject(bucket) ? bucket.name : undefined;
  if (typeof name !== 'string' || typeof key !== 'string' || key === '') {
    throw new Error('a record lacks the bucket or the key');
  }
  if (!key.startsWith(INPUT_PREFIX) || isFolderMarker(key)) return [];
  return [
    {
      bucket: name,
      key,
      sequencer: typeof object.sequencer === 'string' ? object.sequencer : '',
      ...(typeof etag === 'string' && etag !== '' ? { etag: etag.replaceAll('"', '') } : {}),
      ...(typeof object.size === 'number' ? { size: object.size } : {}),
      ...(Number.isNaN(at) ? {} : { at }),
    },
  ];
}

/** AWS writes `eventSource`, SNS `EventSource`. */
function sourceOf(record: Json): unknown {
  return record.eventSource ?? record.EventSource;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
