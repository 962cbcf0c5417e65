import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PLAN_DEFAULTS } from '../../service/src/domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../service/src/domain/estimate/picture-size.ts';
import { makePlan } from '../../service/src/domain/estimate/plan.ts';
import {
  batchCost,
  type Cost,
  idleCostPerMonth,
  interactiveCost,
  PRICES,
} from '../../service/src/domain/estimate/prices.ts';
import { documentedSpeed } from '../../service/src/domain/estimate/speed.ts';
import { formatCount, formatDollars } from '../../service/src/domain/format.ts';
import { describeCosts, estimateCosts } from '../lib/cost.ts';
import { parseParameters } from '../lib/parameters.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 0.005, `${actual} is about ${expected}`);

describe('the arithmetic of costs', () => {
  it('of a million requests is gigabyte-seconds, requests and the API', () => {
    // 1 GB for 0.1 s, a million times: 100,000 GB-s at 0.0000166667, 0.20 and 1.00.
    const { usd, items } = interactiveCost({
      images: 1e6,
      architecture: 'x86_64',
      memoryMb: 1024,
      secondsPerImage: 0.1,
    });
    near(usd, 1.66667 + 0.2 + 1);
    near(
      items.reduce((sum, item) => sum + item.usd, 0),
      usd,
    );
  });

  it('of a million images by AWS Batch is the tasks, their addresses, S3 and SQS', () => {
    const hours = 2.5;
    const use = {
      images: 1e6,
      architecture: 'x86_64',
      vcpu: 1,
      memoryMb: 2048,
      hours,
      publicAddress: true,
    } as const;
    near(batchCost({ ...use, spot: false }).usd, hours * (0.04048 + 2 * 0.004445 + 0.005) + 10 + 0.4 + 0.48);
    const spot = batchCost({ ...use, spot: true }).items.find(({ what }) => what === 'Fargate');
    near(spot?.usd ?? 0, hours * (0.04048 + 2 * 0.004445) * PRICES.fargate.spotFactor);
  });

  it('of an idle stack is a secret, an image and what endpoints there are', () => {
    near(idleCostPerMonth({ hasSecret: true, imageGb: 1, interfaceEndpoints: 0 }).usd, 0.5);
    near(idleCostPerMonth({ hasSecret: false, imageGb: 0, interfaceEndpoints: 2 }).usd, 14.6);
  });

  it('follows the parameters', () => {
    const of = (given: Record<string, unknown>) => estimateCosts(parseParameters(given));
    assert.ok(of({}).idle.usd < 1, 'idle is about nothing');
    assert.ok(of({ network: 'private' }).idle.usd > 50, 'endpoints are billed by the hour');
    assert.ok(of({ spot: 'false' }).batch.usd > of({}).batch.usd);
    assert.ok(of({ architecture: 'arm64' }).interactive.usd < of({}).interactive.usd);
  });

  it('is the one that plan and GET /plan show', () => {
    const size = DEFAULT_SIZE;
    const plan = makePlan({ ...PLAN_DEFAULTS, images: 1e6 }, size, documentedSpeed(size));
    const [, lambda, onDemand, spot] = plan.estimates;
    assert.equal(lambda?.usd, estimateCosts(parseParameters({})).interactive.usd);
    assert.equal(spot?.usd, estimateCosts(parseParameters({})).batch.usd);
    assert.equal(onDemand?.usd, estimateCosts(parseParameters({ spot: 'false' })).batch.usd);
  });

  it('has the figures that docs/aws.md shows', () => {
    const docs = readFileSync(join(root, 'docs/aws.md'), 'utf8');
    const { idle, interactive, batch } = estimateCosts(parseParameters({}));
    const onDemand = estimateCosts(parseParameters({ spot: 'false' })).batch;
    const serverless = estimateCosts(
      parseParameters({ sagemaker: 'endpoint', sagemakerMode: 'serverless' }),
    ).sagemaker;
    const bold = ({ usd }: Cost) => `**${formatDollars(usd)}**`;
    const month = (perDay: number, { usd }: Cost) => {
      const amount = (usd * perDay * 30) / 1e6;
      return amount < 10 ? formatDollars(amount) : `$${formatCount(amount)}`;
    };
    for (const text of [
      `**Idle**: ${formatDollars(idle.usd)} a month`,
      `| **sum** | ${[interactive, batch, onDemand].map(bold).join(' | ')} |`,
      ...[1000, 100_000, 1e7].map(
        (n) => `| ${formatCount(n)} | ${month(n, interactive)} | ${month(n, batch)}`,
      ),
      `x 1e6 x $0.00002 = ${formatDollars(serverless?.usd ?? 0)}`,
    ]) {
      assert.ok(docs.includes(text), text);
    }
  });

  it('says of when the prices are and that they are to be checked', () => {
    const text = describeCosts(parseParameters({}));
    assert.ok(text.includes(PRICES.recordedOn) && text.includes('check'));
    assert.equal(text.split('\n').length, 4);
  });
});
