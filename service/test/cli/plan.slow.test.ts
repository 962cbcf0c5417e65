import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSize } from '../../src/cli/commands/plan/picture-size.ts';
import { estimateAll, type PlanInput } from '../../src/domain/estimate/estimate.ts';
import { BYTES_PER_PIXEL, DEFAULT_SIZE, megapixelsOf } from '../../src/domain/estimate/picture-size.ts';
import type { Plan } from '../../src/domain/estimate/plan.ts';
import { PRICES } from '../../src/domain/estimate/prices.ts';
import { documentedSpeed, speedOnAws } from '../../src/domain/estimate/speed.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp } from '../helpers/test-app.ts';
import { jsonLines, runCli } from './run-cli.ts';

const input: PlanInput = {
  images: 1_000_000,
  architecture: 'x86_64',
  memory: 3538,
  concurrency: 1,
  vcpu: 2,
  taskMemory: 4096,
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

  test('Fargate bills a minute at least', () => {
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

  test('larger images take longer to decode', () => {
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
});

describe('plan', () => {
  test('asks the service, with every option that is given, and shows its measured speed', async () => {
    const models = createGatedModels();
    const server = await startApp({ models });
    try {
      const image = await picture();
      for (let n = 0; n < 6; n++) {
        await server.http.post('/predict').set('content-type', 'image/jpeg').send(image).expect(200);
      }
      const options = ['--memory', '1769', '--vcpu', '4', '--task-memory', '8192', '--max-vcpus', '40'];
      const more = ['--shard-size', '100', '--architecture', 'arm64', '--size', '640x360'];
      const args = ['plan', '-n', '1000', '--url', server.url, ...options, ...more];
      const { status, stdout, stderr } = await runCli([...args, '--json']);
      assert.equal(status, 0, stderr);
      const [plan] = jsonLines(stdout) as unknown as [Plan];
      assert.match(plan.speed.here.source, /^measured: .*\(resnet50, wasm, float32\)$/);
      near(plan.estimates[0]?.seconds ?? null, 1000 * plan.speed.here.batchSeconds);
      assert.equal(plan.prices.recordedOn, PRICES.recordedOn);
      assert.deepEqual(plan.size, parseSize('640x360'));
      assert.match(plan.estimates[1]?.where ?? '', /1,769 MB/);
      assert.match(plan.estimates[2]?.arithmetic.join('\n') ?? '', /÷ 100 = 10, 10 at once \(40 vCPU ÷ 4\)/);
      assert.ok(plan.notes.includes('the speeds were measured on x86_64'));
      const local = jsonLines((await runCli([...args.filter(isNotUrl), '--local', '--json'])).stdout);
      assert.deepEqual(
        (local as unknown as [Plan])[0].estimates.map(({ where }) => where),
        ['a machine of two cores', ...plan.estimates.slice(1).map(({ where }) => where)],
      );
    } finally {
      await server.close();
      await models.close();
    }
  });

  test('without a service, uses the documented speed and says so; a named service must answer', async () => {
    const { status, stdout } = await runCli(['plan', '-n', '1000'], { env: { PORT: '9' } });
    assert.equal(status, 0);
    assert.match(stdout, /speed: [\d.]+ images\/s, documented/);
    assert.match(stdout, /no service at http:\/\/localhost:9; the speeds are documented ones/);
    for (const where of [
      'a machine of two cores',
      'Lambda, 3,008 MB',
      'Fargate, on demand',
      'Fargate Spot',
    ]) {
      assert.match(stdout, new RegExp(`^ {2}${where} +\\S+`, 'm'));
    }
    assert.ok(stdout.includes(`recorded on ${PRICES.recordedOn}`));
    const named = await runCli(['plan', '-n', '1000', '--url', 'http://127.0.0.1:9']);
    assert.equal(named.status, 3);
    assert.match(named.stderr, /start it with: npm start, or add --local \[UNREACHABLE\]\n$/);
  });
});

const isNotUrl = (word: string, index: number, words: readonly string[]) =>
  word !== '--url' && words[index - 1] !== '--url';
