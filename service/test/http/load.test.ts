import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { AppError } from '../../src/domain/errors.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';

describe('a busy, broken or absent model', () => {
  const models = createGatedModels({ maxQueue: 1 });
  let server: TestApp;
  let image: Buffer;

  before(async () => {
    server = await startApp({ models });
    image = await picture();
  });
  afterEach(() => {
    models.release();
    models.failWith(undefined);
    models.ready = true;
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  const predict = () => server.http.post('/predict').set('content-type', 'image/jpeg').send(image);

  test('past MAX_QUEUE a request gets 503 OVERLOADED with Retry-After at once, and those before it get answers', async () => {
    models.hold();
    const started = models.inferred;
    const running = predict().then((response) => response);
    await until('the start of inference', () => models.inferred === started + 1);
    const more = [predict(), predict(), predict(), predict()].map((sent) =>
      sent.then((response) => response),
    );
    const refused = await Promise.race(more);
    assert.deepEqual([refused.status, refused.body.code], [503, 'OVERLOADED']);
    assert.equal(refused.headers['retry-after'], '1');
    assert.equal(refused.body.retryAfterSeconds, 1);
    models.release();
    const statuses = (await Promise.all([running, ...more])).map(({ status }) => status);
    assert.equal(statuses[0], 200);
    assert.ok(statuses.includes(503));
    assert.ok(
      statuses.every((status) => status === 200 || status === 503),
      String(statuses),
    );
  });

  test('an image whose client hung up while it waited is never inferred', async () => {
    const patient = createGatedModels();
    const other = await startApp({ models: patient });
    try {
      patient.hold();
      const waiting = Array.from({ length: 4 }, () =>
        other.http
          .post('/predict')
          .set('content-type', 'image/jpeg')
          .send(image)
          .then(({ status }) => status),
      );
      await until('the arrival of every request', () => patient.inferred + patient.queueDepth === 4);
      const gone = once(other.app.server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
      const socket = connect(other.port, '127.0.0.1');
      const head = `POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: ${image.length}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head), image]));
      await until('the arrival of every request', () => patient.inferred + patient.queueDepth === 5);
      assert.ok(patient.inferred < 4, 'the engine takes all at once: nothing waits');
      socket.destroy();
      await gone;
      patient.release();
      assert.deepEqual(await Promise.all(waiting), [200, 200, 200, 200]);
      await until('the log line of the cancelled request', () => other.log().includes('REQUEST_CANCELLED'));
      assert.equal(patient.inferred, 4);
      assert.equal(patient.queueDepth, 0);
    } finally {
      patient.release();
      await other.close();
      await patient.close();
    }
  });

  test('explanations count against MAX_QUEUE, and one more gets 503 OVERLOADED', async () => {
    const bounded = createGatedModels({ maxQueue: 2 });
    const other = await startApp({ models: bounded });
    try {
      bounded.hold();
      const sent: Promise<{ status: number; code?: string }>[] = [];
      const explain = () => {
        const request = other.http.post('/explain').set('content-type', 'image/jpeg').send(image);
        sent.push(request.then(({ status, body }) => ({ status, code: body.code })));
      };
      explain();
      await until('the start of the explanation', () => bounded.explained === 1);
      for (const depth of [1, 2]) {
        explain();
        await until(`a queue of ${depth}`, () => bounded.queueDepth === depth);
      }
      explain();
      assert.deepEqual(await sent.at(-1), { status: 503, code: 'OVERLOADED' });
      const predicted = await other.http.post('/predict').set('content-type', 'image/jpeg').send(image);
      assert.equal(predicted.status, 503);
      assert.equal(bounded.explained, 1, 'the engine gets one explanation at a time');
      bounded.release();
      assert.deepEqual(
        (await Promise.all(sent)).map(({ status }) => status),
        [200, 200, 200, 503],
      );
    } finally {
      bounded.release();
      await other.close();
      await bounded.close();
    }
  });

  for (const { path, atOnce } of [
    { path: 'explain', atOnce: 1 },
    // One batch runs, and a full one is ready behind it.
    { path: 'predict', atOnce: 2 },
  ]) {
    test(`POST /${path}: a request whose client hung up frees its place at once`, async () => {
      const bounded = createGatedModels({ maxQueue: 1 });
      const other = await startApp({ models: bounded });
      try {
        bounded.hold();
        const send = () => other.http.post(`/${path}`).set('content-type', 'image/jpeg').send(image);
        const head = `POST /${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: ${image.length}\r\n\r\n`;
        const reached = () => bounded.explained + bounded.inferred;
        const running: Promise<number>[] = [];
        for (let count = 1; count <= atOnce; count++) {
          running.push(send().then(({ status }) => status));
          await until(`request ${count} in the engine`, () => reached() === count);
        }
        for (let round = 0; round < 3; round++) {
          const socket = connect(other.port, '127.0.0.1');
          socket.write(Buffer.concat([Buffer.from(head), image]));
          await until('a queue of 1', () => bounded.queueDepth === 1);
          socket.destroy();
          await until('an empty queue', () => bounded.queueDepth === 0);
        }
        const waiting = send().then(({ status }) => status);
        await until('a queue of 1', () => bounded.queueDepth === 1);
        bounded.release();
        const statuses = new Set(await Promise.all([...running, waiting]));
        assert.deepEqual([...statuses], [200]);
        assert.equal(reached(), atOnce + 1, 'an abandoned image reached the engine');
      } finally {
        bounded.release();
        await other.close();
        await bounded.close();
      }
    });
  }

  test('an engine that died is 503 ENGINE_FAILED, and the next request is answered', async () => {
    models.failWith(new AppError('ENGINE_FAILED', 'the engine stopped and is being replaced; send it again'));
    const failed = await predict();
    assert.deepEqual([failed.status, failed.body.code], [503, 'ENGINE_FAILED']);
    assert.ok(failed.headers['retry-after']);
    models.failWith(undefined);
    assert.equal((await predict()).status, 200);
  });

  test('an unexpected error is 500 INTERNAL: the answer tells nothing, the log everything', async () => {
    models.failWith(new Error('secret detail at /srv/secret/path.ts'));
    const response = await predict().set('x-request-id', 'find-me-500');
    assert.deepEqual([response.status, response.body.code], [500, 'INTERNAL']);
    assert.doesNotMatch(response.text, /secret|path|stack/);
    const line =
      server
        .log()
        .split('\n')
        .find((text) => text.includes('secret detail')) ?? '';
    assert.match(line, /find-me-500/);
  });

  test('before the model is loaded: ready and predict say 503 MODEL_NOT_READY, live says ok', async () => {
    models.ready = false;
    const ready = await server.http.get('/health/ready');
    assert.deepEqual([ready.status, ready.body.code], [503, 'MODEL_NOT_READY']);
    assert.ok(ready.headers['retry-after']);
    const refused = await predict();
    assert.deepEqual([refused.status, refused.body.code], [503, 'MODEL_NOT_READY']);
    assert.deepEqual((await server.http.get('/health/live')).body, { status: 'ok' });
    models.ready = true;
    assert.deepEqual((await server.http.get('/health/ready')).body, { status: 'ready' });
  });

  test('from the moment a shutdown begins ready says no, and every answer ends its connection', async () => {
    const closing = await startApp({ models });
    const before = await closing.http.get('/health/ready').set('connection', 'keep-alive');
    assert.deepEqual([before.status, before.headers.connection], [200, 'keep-alive']);
    const running = closing.http.post('/predict').set('content-type', 'image/jpeg').send(image);
    const closed = closing.close();
    const ready = await closing.http.get('/health/ready').set('connection', 'keep-alive');
    assert.deepEqual([ready.status, ready.body.code], [503, 'MODEL_NOT_READY']);
    assert.equal(ready.headers.connection, 'close');
    const answer = await running.set('connection', 'keep-alive');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.connection, 'close');
    await closed;
    await assert.rejects(fetch(closing.url));
  });

  test('the metrics count requests by route and status, stages by model, and the queue', async () => {
    await predict();
    await server.http.get('/no/such/route');
    const { text, type } = await server.http.get('/metrics');
    assert.equal(type, 'text/plain');
    assert.match(text, /^http_requests_total\{method="POST",route="\/predict",status="200"\} [1-9]/m);
    assert.match(text, /^http_requests_total\{method="POST",route="\/predict",status="503"\} [1-9]/m);
    assert.match(text, /^http_requests_total\{method="GET",route="unmatched",status="404"\} 1$/m);
    for (const stage of ['decode', 'queue', 'inference']) {
      assert.match(
        text,
        new RegExp(`^classification_stage_seconds_count\\{model="resnet50",stage="${stage}"\\} [1-9]`, 'm'),
      );
    }
    assert.match(text, /^classification_queue_depth\{model="resnet50"\} 0$/m);
    assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m);
    assert.doesNotMatch(text, /no\/such/, 'a label came from outside');
  });
});
