import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeBase64 } from '../../src/http/body/base64.ts';
import { cutLongStrings, longStringOf } from '../../src/http/body/long-strings.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { noise } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('long strings are cut out of JSON before it is parsed', () => {
  const long = 'QUJD'.repeat(5_000);
  const cut = (json: string, maxRest = 10_000) => {
    const longStrings: Buffer[] = [];
    return { text: cutLongStrings(Buffer.from(json), maxRest, longStrings), longStrings };
  };

  test('and found again by what stands in their place', () => {
    const { text, longStrings } = cut(JSON.stringify({ a: [long, 'short "quoted\\"', `${long}Zg==`], b: 1 }));
    assert.ok(text.length < 1000);
    const { a, b } = JSON.parse(text);
    assert.deepEqual([a[1], b], ['short "quoted\\"', 1]);
    assert.equal(String(longStringOf(a[0], longStrings)), long);
    assert.equal(String(longStringOf(a[2], longStrings)), `${long}Zg==`);
    assert.equal(longStringOf('short\u00007', longStrings), 'short\u00007');
  });

  test('with their slashes escaped, as some encoders do; other escapes count as JSON', () => {
    const { text, longStrings } = cut(`{"image":"${'ab\\/d'.repeat(5_000)}"}`);
    assert.equal(String(longStringOf(JSON.parse(text).image, longStrings)), 'ab/d'.repeat(5_000));
    assert.throws(() => cut(`{"image":"${'ab\\nd'.repeat(5_000)}"}`), { code: 'PAYLOAD_TOO_LARGE' });
  });

  test('and everything else is bounded, broken or not', () => {
    for (const rest of ['['.repeat(20_000), `{"a":"${'x'.repeat(20_000)}`, '"\\\\'.repeat(10_000)]) {
      assert.throws(() => cut(rest), { code: 'PAYLOAD_TOO_LARGE', message: /more than 10000 bytes/ });
    }
  });

  test('base64 decodes the same in slices, and what is not base64 is refused in each of them', async () => {
    const bytes = Buffer.from(Array.from({ length: 10_000_001 }, (_, index) => (index * 7919) % 256));
    const text = bytes.toString('base64');
    assert.ok((await decodeBase64(text)).equals(bytes));
    assert.ok((await decodeBase64(Buffer.from(`data:image/png;base64,${text}`))).equals(bytes));
    for (const at of [0, 5_000_000, 9_000_001]) {
      for (const wrong of ['-', ' ', '=', 'é', '\n']) {
        const mangled = text.slice(0, at) + wrong + text.slice(at + 1);
        await assert.rejects(decodeBase64(mangled), { code: 'INVALID_REQUEST' }, `${wrong} at ${at}`);
      }
    }
  });
});

describe('JSON without an image is small', () => {
  const models = createGatedModels();
  let server: TestApp;

  before(async () => {
    server = await startApp({ models, env: { MAX_JSON_BYTES: '100000' } });
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  const infer = '/v2/models/resnet50/infer';

  test('beyond MAX_JSON_BYTES it gets 413 PAYLOAD_TOO_LARGE on every route that takes images', async () => {
    const rows = JSON.stringify({ instances: Array.from({ length: 60_000 }, () => 1) });
    for (const path of ['/predict', '/explain', '/invocations', infer]) {
      const { status, body } = await server.http
        .post(path)
        .set('content-type', 'application/json')
        .send(rows);
      assert.deepEqual([status, body.code], [413, 'PAYLOAD_TOO_LARGE'], path);
    }
  });

  test('an image of any allowed size does not count, on each of them', async () => {
    const large = await noise(400, 300);
    const image = large.toString('base64');
    assert.ok(image.length > 300_000);
    const direct = await server.http.post('/predict').set('content-type', 'image/png').send(large);
    for (const path of ['/predict', '/invocations']) {
      const { status, body } = await server.http.post(path).send({ image });
      assert.deepEqual([status, body.predictions], [200, direct.body.predictions], path);
    }
    const inputs = [{ name: 'image', datatype: 'BYTES', shape: [2], data: [image, image] }];
    const inferred = await server.http.post(infer).send({ inputs });
    assert.equal(inferred.status, 200);
    assert.equal(inferred.body.outputs[0].data[0], direct.body.predictions[0].label);
    const lines = [{ image }, { image: 'AAAA' }, { image }].map((line) => JSON.stringify(line));
    lines.push(JSON.stringify({ image: Array.from({ length: 60_000 }, () => 1) }));
    const answers = await server.http
      .post('/invocations')
      .set('content-type', 'application/jsonlines')
      .send(lines.join('\n'));
    assert.equal(answers.status, 200);
    const answered = answers.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      answered.map(({ error }) => error?.code),
      [undefined, 'UNREADABLE_IMAGE', undefined, 'INVALID_REQUEST'],
    );
    assert.deepEqual(answered[2].predictions, direct.body.predictions);
  });

  test('millions of lines are refused before they become records', async () => {
    for (const [line, code] of [
      ['\n', 'INVALID_REQUEST'],
      ['1\n', 'PAYLOAD_TOO_LARGE'],
    ] as const) {
      const { body } = await server.http
        .post('/invocations')
        .set('content-type', 'application/jsonlines')
        .send(line.repeat(5_000_000));
      assert.equal(body.code, code);
    }
  });
});
