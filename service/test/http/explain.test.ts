import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { drawHeatMap } from '../../src/http/routes/explain/heat-map.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { fromRoot } from '../helpers/root.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

const real = await openRealModels();

describe('POST /explain shows where the evidence lies', { skip: real.missing }, () => {
  let server: TestApp;
  let balloon: Buffer;

  before(async () => {
    if (!real.models) return;
    server = await startApp({ models: real.models });
    balloon = await readFile(fromRoot('models/resnet50/samples/balloon.jpg'));
  });
  after(async () => {
    await server?.close();
    await real.models?.close();
  });

  const send = (query: object, accept?: string) => {
    const request = server.http.post('/explain').query(query).set('content-type', 'image/jpeg');
    return (accept ? request.set('accept', accept) : request).send(balloon);
  };

  test('as a grid that explains the class POST /predict names first', async () => {
    const predicted = await server.http.post('/predict').set('content-type', 'image/jpeg').send(balloon);
    const { status, body } = await send({});
    assert.equal(status, 200);
    assert.equal(body.prediction.label, predicted.body.predictions[0].label);
    assert.equal(new Set(body.grid.map((row: number[]) => row.length)).size, 1);
    assert.ok(Math.max(...body.grid.flat()) > 0);
  });

  test('of the class that is asked for', async () => {
    const first = await send({});
    const other = await send({ index: 285 });
    assert.equal(other.body.prediction.index, 285);
    assert.notDeepEqual(other.body.grid, first.body.grid);
    assert.equal((await send({ index: 1000 })).status, 400);
  });

  test('as a PNG of the picture’s size, by the query or by the Accept header; the query wins', async () => {
    for (const answer of [await send({ format: 'png' }), await send({}, 'image/png')]) {
      assert.deepEqual([answer.status, answer.type], [200, 'image/png']);
      const { width, height, channels } = await sharp(answer.body).metadata();
      assert.deepEqual([width, height, channels], [640, 640, 4]);
    }
    assert.equal((await send({ format: 'json' }, 'image/png')).type, 'application/json');
    assert.equal((await send({ format: 'gif' })).status, 400);
  });
});

describe('a heat map', () => {
  const common = { model: 'm', version: '1', prediction: { label: 'a', index: 0, probability: 1 } };

  test('is bright where the evidence is and transparent everywhere else, and bounded in size', async () => {
    const png = await drawHeatMap({
      ...common,
      grid: [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, -5],
        [9, 0, 0, -5],
      ],
      region: { left: 0.25, top: 0, width: 0.5, height: 1 },
      picture: { width: 4000, height: 2000 },
    });
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [1024, 512]);
    const alpha = (x: number, y: number) => data[(y * info.width + x) * 4 + 3] ?? 0;
    assert.ok(alpha(300, 508) > 200, 'the strongest place is the lower left of the region');
    assert.ok(alpha(257, 508) < 10, 'towards an edge inside the picture it fades');
    const steps = Array.from({ length: 44 }, (_, at) => alpha(256 + at + 1, 508) - alpha(256 + at, 508));
    assert.ok(Math.max(...steps) < 16, 'without a visible step');
    assert.equal(alpha(250, 508), 0, 'the network did not see what lies outside its region');
    assert.equal(alpha(700, 20), 0);
    assert.equal(alpha(760, 508), 0, 'what speaks against the class is not shown');
  });

  test('without any evidence is all transparent', async () => {
    const whole = { left: 0, top: 0, width: 1, height: 1 };
    const png = await drawHeatMap({
      ...common,
      grid: [[-1, 0]],
      region: whole,
      picture: { width: 9, height: 4 },
    });
    const { channels } = await sharp(png).stats();
    assert.equal(channels[3]?.max, 0);
  });
});

test('an Accept header gets a PNG only if it prefers one', async () => {
  const models = createGatedModels();
  const server = await startApp({ models });
  const image = await picture();
  const cases: Record<string, readonly (string | undefined)[]> = {
    'image/png': ['image/png', 'image/*', 'image/png, */*;q=0.1', 'application/json;q=0.2, image/png;q=0.3'],
    'application/json': [undefined, '*/*', 'application/json', 'image/png;q=0', 'text/html'],
  };
  for (const [type, headers] of Object.entries(cases)) {
    for (const accept of headers) {
      const request = server.http.post('/explain').set('content-type', 'image/jpeg');
      if (accept !== undefined) request.set('accept', accept);
      const response = await request.send(image);
      assert.deepEqual([response.status, response.type], [200, type], accept);
    }
  }
  await server.close();
  await models.close();
});
