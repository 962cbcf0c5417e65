import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PLAN_DEFAULTS } from '../../src/domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../src/domain/estimate/picture-size.ts';
import { makePlan } from '../../src/domain/estimate/plan.ts';
import { documentedSpeed } from '../../src/domain/estimate/speed.ts';
import { picture } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('GET /plan', () => {
  const models = createGatedModels();
  let server: TestApp;
  const ask = async (query: string) => (await server.http.get(`/plan?${query}`).expect(200)).body;

  before(async () => {
    server = await startApp({ models });
  });
  after(async () => {
    await server.close();
    await models.close();
  });

  test('before anything was classified it is the documented speed, and the same plan as the command makes', async () => {
    const expected = makePlan({ ...PLAN_DEFAULTS, images: 1e6 }, DEFAULT_SIZE, documentedSpeed(DEFAULT_SIZE));
    assert.deepEqual(await ask('images=1000000'), JSON.parse(JSON.stringify(expected)));
  });

  test('size, memory and how much at once are taken into account', async () => {
    const [, plain] = (await ask('images=1000')).estimates;
    const [, large] = (await ask('images=1000&imageBytes=3000000')).estimates;
    const [, strong] = (await ask('images=1000&memory=8845&concurrency=1')).estimates;
    assert.ok(large.usd > plain.usd);
    assert.match(strong.where, /8,845 MB/);
    assert.match(strong.arithmetic.join('\n'), /1 at once/);
    const [, , tasks] = (await ask('images=1000&vcpu=0.5&taskMemory=1024&shardSize=100&maxVcpus=2'))
      .estimates;
    assert.match(tasks.arithmetic.join('\n'), /÷ 100 = 10, 4 at once \(2 vCPU ÷ 0\.5\)/);
    const arm = await ask('images=1000&architecture=arm64');
    assert.ok(arm.estimates[1].usd < plain.usd);
    assert.match((await ask('images=10&imageBytes=9000000')).notes.join('\n'), /files over 4\.5 MB/);
  });

  test('after some pictures, one at a time, it is the speed of this machine', async () => {
    const image = await picture(1);
    for (let n = 0; n < 6; n++) {
      await server.http.post('/predict').set('content-type', 'image/png').send(image).expect(200);
    }
    const { speed, estimates } = await ask('images=500');
    assert.match(speed.here.source, /^measured: .* the last [56] images .*\(resnet50, wasm, float32\)$/);
    assert.ok(Math.abs(estimates[0].seconds - 500 * speed.here.batchSeconds) < 1e-6);
    assert.match(speed.aws.source, /^documented/, 'WebAssembly is not what runs at AWS');
  });

  test('where jobs run on AWS Batch, this machine is none of the ways', async () => {
    const arn = 'arn:aws:batch:us-east-1:123456789012:job-queue/a';
    const env = { JOBS: 'aws-batch', JOB_QUEUE_ARN: arn, JOB_DEFINITION_ARN: arn };
    const onAws = await startApp({ models, env });
    try {
      const { estimates } = (await onAws.http.get('/plan?images=10').expect(200)).body;
      const places = estimates.map(({ where }: { where: string }) => where.split(',')[0]);
      assert.deepEqual(places, ['Lambda', 'Fargate', 'Fargate Spot']);
    } finally {
      await onAws.close();
    }
  });

  test('nonsense is refused by name', async () => {
    for (const query of [
      '',
      'images=0',
      'images=many',
      'images=1&memory=1',
      'images=1&surprise=1',
      'images=1&vcpu=3',
    ]) {
      const { status, body } = await server.http.get(`/plan?${query}`);
      assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'], query);
    }
  });
});
