import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makePicture } from '../../src/cli/commands/plan/measure.ts';
import { parseSize } from '../../src/cli/commands/plan/picture-size.ts';
import { estimateAll, type PlanInput } from '../../src/domain/estimate/estimate.ts';
import { BYTES_PER_PIXEL, DEFAULT_SIZE, megapixelsOf } from '../../src/domain/estimate/picture-size.ts';
import { PRICES } from '../../src/domain/estimate/prices.ts';
import { documentedSpeed, speedOnAws } from '../../src/domain/estimate/speed.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp } from '../helpers/test-app.ts';
import { jsonLines, runCli } from './run-cli.ts';

const input: PlanInput = {
  images: 1_000_000,
  architecture: 'x86_64',
  lambdaMemoryMb: 3538,
  concurrency: 1,
  taskVcpu: 2,
  taskMemoryMb: 4096,
  maxVcpus: 20,
  shardSize: 5000,
};
/** Round figures, to be worked out by hand. */
const speed = {
  ...documentedSpeed(DEFAULT_SIZE),
  cores: 2,
  decodeSeconds: 0.005,
  inferenceSeconds: 0.04,
  batchSeconds: 0.03,
};
const near = (actual: number | null, expected: number) =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-6 * expected, `${actual} is ${expected}`);

describe('the arithmetic of a plan', () => {
  const [here, lambda, fargate, spot] = estimateAll(input, speed, speed);

  test('here: images times seconds, and no dollars', () => {
    near(here?.seconds ?? null, 30_000);
    assert.equal(here?.usd, null);
  });

  test('Lambda: 3,538 MB are two vCPUs; an image takes 10 + 40 ms; gigabyte-seconds, requests and the API', () => {
    near(lambda?.seconds ?? null, 1_000_000 * 0.05);
    near(lambda?.usd ?? null, (3538 / 1024) * 0.05 * 1e6 * PRICES.lambda.gbSecond.x86_64 + 0.2 + 1);
    const [wide] = estimateAll({ ...input, concurrency: 1000 }, speed, speed).slice(1);
    near(wide?.seconds ?? null, 1_000_000 / 50);
    assert.match(wide?.arithmetic.join('\n') ?? '', /the API's 50\/s/);
  });

  test('Lambda: fewer images than run at once take as long as one', () => {
    const [, few] = estimateAll({ ...input, images: 2, concurrency: 10 }, speed, speed);
    near(few?.seconds ?? null, 0.05);
    assert.ok(few?.arithmetic.some((line) => line === 'time   that of one image, 50 ms'));
  });

  test('Fargate: 200 tasks, ten at once, each 150 s of work; the start is waited for and partly billed', () => {
    near(fargate?.seconds ?? null, 20 * (90 + 150));
    const hours = (200 * (30 + 150)) / 3600;
    const { vcpuHour, gbHour, spotFactor } = PRICES.fargate;
    const perHour = 2 * vcpuHour.x86_64 + 4 * gbHour.x86_64;
    const beside = hours * PRICES.publicIpv4Hour + 10 + 0.4 + 1.2 * 0.4;
    near(fargate?.usd ?? null, hours * perHour + beside);
    near(spot?.usd ?? null, hours * perHour * spotFactor + beside);
  });

  test('a minute is the least that Fargate bills', () => {
    const [, , few] = estimateAll({ ...input, images: 1 }, speed, speed);
    const { vcpuHour, gbHour } = PRICES.fargate;
    const hour = 2 * vcpuHour.x86_64 + 4 * gbHour.x86_64 + PRICES.publicIpv4Hour;
    near(few?.usd ?? null, hour / 60 + (10 + 0.4 + 0.48) / 1e6);
  });

  test('every item of the bill is explained, and the lines add up to the total', () => {
    for (const estimate of [lambda, fargate]) {
      const lines = estimate?.arithmetic.filter((line) => line.startsWith('$')) ?? [];
      assert.ok(
        lines.every((line) => !line.includes('see prices.ts')),
        lines.join('\n'),
      );
      const amounts = lines.slice(0, -1).map((line) => Number(/= \$([\d.]+)$/.exec(line)?.[1]));
      const sum = amounts.reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum - (estimate?.usd ?? 0)) < 0.02, `${sum} is about ${estimate?.usd}`);
    }
  });

  test('sizes are pixels, megapixels or bytes of a file', () => {
    assert.deepEqual(parseSize('4000x3000'), { width: 4000, height: 3000, bytes: 12e6 * BYTES_PER_PIXEL });
    assert.ok(Math.abs(megapixelsOf(parseSize('12MP')) - 12) < 0.01);
    assert.ok(Math.abs(parseSize('3MB').bytes - 3e6) < 3e3);
    assert.throws(() => parseSize('12'), /4000x3000/);
    assert.throws(() => parseSize('9999MP'), /up to 1000 megapixels/);
  });

  test('larger pictures take longer to decode', () => {
    const [small, large] = [DEFAULT_SIZE, parseSize('12MP')].map(documentedSpeed);
    assert.ok((large?.batchSeconds ?? 0) > (small?.batchSeconds ?? 0));
  });

  test('AWS is planned with the AVX2 speed of int8, whatever a faster CPU measured', () => {
    const documented = documentedSpeed(DEFAULT_SIZE);
    assert.match(documented.source, /int8.*AVX2/);
    assert.equal(documented.inferenceSeconds, 0.039);
    for (const here of [
      { inferenceSeconds: 0.01, batchSeconds: 0.006 },
      { inferenceSeconds: 0.03, cores: 1 },
      { precision: 'bfloat16' },
      { precision: 'float32', inferenceSeconds: 0.1 },
      { engine: 'wasm', inferenceSeconds: 0.4 },
    ]) {
      assert.deepEqual(speedOnAws({ ...documented, ...here }, DEFAULT_SIZE), documented);
    }
  });

  test('AWS is planned with the measured int8 speed of a CPU slower than AVX2', () => {
    const slow = { ...documentedSpeed(DEFAULT_SIZE), inferenceSeconds: 0.053, batchSeconds: 0.05 };
    assert.equal(speedOnAws(slow, DEFAULT_SIZE), slow);
  });

  test('the picture that is measured with has the size that was asked for', async () => {
    const { default: sharp } = await import('sharp');
    const { width, height, format } = await sharp(await makePicture(parseSize('640x480'))).metadata();
    assert.deepEqual({ width, height, format }, { width: 640, height: 480, format: 'jpeg' });
  });
});

describe('plan', () => {
  test('measures a service on this machine, and says so', async () => {
    const models = createGatedModels();
    const server = await startApp({ models });
    try {
      const { status, stdout, stderr } = await runCli(['plan', '-n', '1000', '--json', '--url', server.url]);
      assert.equal(status, 0, stderr);
      const [plan] = jsonLines(stdout) as unknown as {
        speed: { here: { source: string; batchSeconds: number }; aws: { source: string } };
        estimates: { where: string; seconds: number }[];
        prices: { recordedOn: string };
      }[];
      assert.match(
        plan?.speed.here.source ?? '',
        /^measured now at http:\/\/127\.0\.0\.1:\d+ \(resnet50, wasm, float32\)$/,
      );
      assert.match(plan?.speed.aws.source ?? '', /^documented/);
      near(plan?.estimates[0]?.seconds ?? null, 1000 * (plan?.speed.here.batchSeconds ?? 0));
      assert.equal(plan?.prices.recordedOn, PRICES.recordedOn);
      assert.equal(plan?.estimates[0]?.where, 'this machine');
    } finally {
      await server.close();
      await models.close();
    }
  });

  test('without a service it takes the documented speed and says so; with --speed measured it fails', async () => {
    const away = ['plan', '-n', '1000', '--url', 'http://127.0.0.1:9'];
    const { status, stdout } = await runCli(away);
    assert.equal(status, 0);
    assert.match(stdout, /speed: [\d.]+ images\/s, documented/);
    assert.match(stdout, /no service answers at http:\/\/127\.0\.0\.1:9; npm start/);
    for (const where of [
      'a machine of two cores',
      'Lambda, 3,008 MB',
      'Fargate, on demand',
      'Fargate Spot',
    ]) {
      assert.match(stdout, new RegExp(`^ {2}${where} +\\S+`, 'm'));
    }
    assert.ok(stdout.includes(`recorded on ${PRICES.recordedOn}`));
    assert.equal((await runCli([...away, '--speed', 'measured'])).status, 3);
  });
});
