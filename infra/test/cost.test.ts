import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  batchCostPerMillion,
  idleCostPerMonth,
  interactiveCostPerMillion,
  PRICES,
} from '../../service/src/domain/estimate/prices.ts';
import { describeCosts, estimateCosts, interactiveSeconds, workerImagesPerSecond } from '../lib/cost.ts';
import { parseParameters } from '../lib/parameters.ts';

const near = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) < 0.005, `${actual} is about ${expected}`);

describe('the arithmetic of costs', () => {
  it('of a million requests is gigabyte-seconds, requests and the API', () => {
    // 1 GB for 0.1 s, a million times: 100,000 GB-s at 0.0000166667, 0.20 and 1.00.
    const { usd, items } = interactiveCostPerMillion({
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
    // 1,000,000 / 100 / 3600 = 2.7778 h of 1 vCPU and 2 GB.
    const hours = 1_000_000 / 100 / 3600;
    const use = {
      architecture: 'x86_64',
      vcpu: 1,
      memoryMb: 2048,
      imagesPerSecond: 100,
      publicAddress: true,
    } as const;
    near(
      batchCostPerMillion({ ...use, spot: false }).usd,
      hours * (0.04048 + 2 * 0.004445 + 0.005) + 10 + 0.4 + 0.48,
    );
    const spot = batchCostPerMillion({ ...use, spot: true }).items.find(({ what }) => what === 'Fargate');
    near(spot?.usd ?? 0, hours * (0.04048 + 2 * 0.004445) * PRICES.fargate.spotFactor);
    assert.ok(
      batchCostPerMillion({ ...use, spot: true, overhead: 0.5 }).usd >
        batchCostPerMillion({ ...use, spot: true }).usd,
    );
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
    assert.ok(interactiveSeconds(3538) < interactiveSeconds(1769));
    assert.equal(interactiveSeconds(10_240) < interactiveSeconds(7076), true);
    assert.equal(workerImagesPerSecond(4), 2 * workerImagesPerSecond(2));
  });

  it('says of when the prices are and that they are to be checked', () => {
    const text = describeCosts(parseParameters({}));
    assert.ok(text.includes(PRICES.recordedOn) && text.includes('check'));
    assert.equal(text.split('\n').length, 4);
  });
});
