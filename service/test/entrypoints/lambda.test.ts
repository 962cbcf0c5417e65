import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { after, before, describe, it } from 'node:test';
import { defaultModelsDir } from '../../../models/folders.ts';
import { loadConfig } from '../../src/config/config.ts';
import {
  bodyOf,
  type GatewayRequest,
  type GatewayResponse,
  httpApiEvent,
  isTooLargeForLambda,
  restApiEvent,
} from '../helpers/gateway-events.ts';
import {
  findLambdaPrograms,
  LAMBDA_MISSING,
  type LambdaEnvironment,
  startLambda,
} from '../helpers/lambda-emulator.ts';

const programs = findLambdaPrograms();
const KEY = 'a-key-for-this-test-only';

describe('the app on AWS Lambda, under its own emulator and runtime client', {
  skip: programs ? false : LAMBDA_MISSING,
}, () => {
  let lambda: LambdaEnvironment;
  let folder = '';
  let picture: Buffer;
  before(async () => {
    if (!programs) return;
    folder = await mkdtemp(join(tmpdir(), 'lambda-'));
    picture = await readFile(join(defaultModelsDir(), 'resnet50', 'samples', 'traffic-light.jpg'));
    lambda = await startLambda(programs, 'lambda.handler', {
      CACHE_DIR: loadConfig().cacheDir,
      STORE: `file:${folder}`,
      API_KEYS: KEY,
    });
  });
  after(async () => {
    await lambda?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const send = async (request: GatewayRequest, makeEvent = httpApiEvent) => {
    const headers = { 'x-api-key': KEY, ...request.headers };
    const response = (await lambda.invoke(makeEvent({ ...request, headers }))) as GatewayResponse;
    return { ...response, json: () => JSON.parse(bodyOf(response).toString()) };
  };
  const predict = (contentType: string, body: Uint8Array | string, makeEvent = httpApiEvent) =>
    send(
      { method: 'POST', path: '/predict?topK=3', headers: { 'content-type': contentType }, body },
      makeEvent,
    );

  it('answers a raw JPEG; the cold start loads the model, the warm one only predicts', async (t) => {
    const times: number[] = [];
    for (let i = 0; i < 6; i++) {
      const started = performance.now();
      const response = await predict('image/jpeg', picture);
      times.push(performance.now() - started);
      assert.equal(response.statusCode, 200);
      assert.match(response.headers['content-type'] ?? '', /^application\/json/);
      assert.equal(response.isBase64Encoded ?? false, false);
      const { predictions } = response.json();
      assert.equal(predictions.length, 3);
      assert.equal(predictions[0].label, 'traffic_light');
    }
    const [cold = 0, ...warm] = times;
    t.diagnostic(
      `cold ${Math.round(cold)} ms, warm ${Math.round(warm.sort((a, b) => a - b)[2] ?? 0)} ms (median of ${warm.length})`,
    );
  });

  for (const [name, makeEvent] of [
    ['HTTP API and Function URL (payload 2.0)', httpApiEvent],
    ['REST API (payload 1.0)', restApiEvent],
  ] as const) {
    it(`takes raw, multipart and JSON bodies from an ${name}`, async () => {
      const form = new FormData();
      form.set('image', new Blob([Uint8Array.from(picture)], { type: 'image/jpeg' }), 'traffic-light.jpg');
      const encoded = new Request('http://localhost/', { method: 'POST', body: form });
      const bodies: readonly (readonly [string, Uint8Array | string])[] = [
        ['image/jpeg', picture],
        ['application/jpeg', picture],
        ['application/octet-stream', picture],
        [encoded.headers.get('content-type') ?? '', new Uint8Array(await encoded.arrayBuffer())],
        ['application/json', JSON.stringify({ image: picture.toString('base64') })],
      ];
      for (const [contentType, body] of bodies) {
        const response = await predict(contentType, body, makeEvent);
        assert.equal(response.statusCode, 200, `${contentType}: ${response.body}`);
        assert.equal(response.json().predictions[0].label, 'traffic_light', contentType);
      }
    });
  }

  it('asks for a key, and names the request as the gateway does', async () => {
    const response = await send({ method: 'GET', path: '/models', headers: { 'x-api-key': 'wrong' } });
    assert.equal(response.statusCode, 401);
    const { code, requestId } = response.json();
    assert.deepEqual([code, requestId], ['UNAUTHORIZED', 'gateway-request-1']);
  });

  it('answers a bad picture with a problem', async () => {
    const response = await predict('image/jpeg', 'not a picture');
    assert.equal(response.statusCode, 422);
    assert.match(response.headers['content-type'] ?? '', /^application\/problem\+json/);
    assert.equal(response.json().code, 'UNREADABLE_IMAGE');
  });

  it('tells the page limits of a picture and of a form that fit into an event with all that is around them', async () => {
    const { limits } = (await send({ method: 'GET', path: '/web/settings.json' })).json();
    assert.equal(limits.partBytes, limits.imageBytes);
    assert.ok(limits.batchBytes >= limits.partBytes && limits.partBytes < 20_971_520);
    const headers = { 'x-api-key': KEY, 'content-type': 'multipart/form-data; boundary=a' };
    const body = Buffer.alloc(limits.partBytes + 16_384);
    const event = httpApiEvent({ method: 'POST', path: '/batch', headers, body });
    assert.equal(isTooLargeForLambda(event), false);
  });

  it('says 413 for a picture that hardly fits into an event, and names the way through the store', async () => {
    const body = Buffer.alloc(4_450_000);
    assert.equal(
      isTooLargeForLambda(httpApiEvent({ method: 'POST', path: '/predict', body })),
      false,
      'Lambda takes it',
    );
    const response = await predict('image/jpeg', body);
    assert.equal(response.statusCode, 413);
    const { code, detail } = response.json();
    assert.equal(code, 'IMAGE_TOO_LARGE');
    assert.match(detail, /"object"/);
  });

  it('sends what is not text as base64', async () => {
    const page = await send({ method: 'GET', path: '/' });
    assert.equal(page.statusCode, 200);
    assert.match(bodyOf(page).toString(), /<html/i);
    const explained = await send({
      method: 'POST',
      path: '/explain?format=png',
      headers: { 'content-type': 'image/jpeg' },
      body: picture,
    });
    assert.equal(explained.statusCode, 200, explained.body);
    assert.equal(explained.isBase64Encoded, true);
    assert.deepEqual([...bodyOf(explained).subarray(1, 4)], [...Buffer.from('PNG')]);
  });

  it('leaves one line of metrics an invocation, from which CloudWatch makes metrics by itself', async () => {
    const lines = () =>
      lambda
        .log()
        .split('\n')
        .filter((line) => line.includes('"_aws"'))
        .map((line) => JSON.parse(line.slice(line.indexOf('{'))));
    const before = lines();
    const cold = before.filter(({ ColdStarts }) => ColdStarts === 1);
    assert.equal(cold.length, 1, 'one cold start');
    await predict('image/jpeg', picture);
    await predict('image/jpeg', 'not a picture');
    const [good, bad, ...others] = lines().slice(before.length);
    assert.equal(others.length, 0);
    assert.deepEqual([good.status, good.ClientErrors, good.ServerErrors, good.ColdStarts], [200, 0, 0, 0]);
    for (const name of ['DecodeTime', 'QueueTime', 'InferenceTime']) {
      assert.equal(good[name].length, 1, name);
      assert.ok(good[name][0] >= 0, name);
    }
    assert.deepEqual([bad.status, bad.ClientErrors, bad.InferenceTime], [422, 1, undefined]);
    assert.ok(good.requestId && good.FunctionName);
  });

  it('logs neither the picture nor the key', () => {
    const log = lambda.log();
    assert.ok(!log.includes(KEY) && !log.includes(picture.toString('base64').slice(0, 60)));
  });
});
