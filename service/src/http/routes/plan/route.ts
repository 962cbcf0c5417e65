import { Type } from 'typebox';
import { PLAN_DEFAULTS } from '../../../domain/estimate/estimate.ts';
import {
  BYTES_PER_PIXEL,
  DEFAULT_SIZE,
  type PictureSize,
  sizeOfPixels,
} from '../../../domain/estimate/picture-size.ts';
import { makePlan, type Plan } from '../../../domain/estimate/plan.ts';
import { documentedSpeed, type Speed } from '../../../domain/estimate/speed.ts';
import { type ObservedSpeed, observeSpeed } from '../../../telemetry/observed-speed.ts';
import type { App } from '../../app-type.ts';
import { problems } from '../../schemas/shared.ts';
import type { Services } from '../../services.ts';
import { PlanQuery, PlanResponse, SpeedResponse } from './schema.ts';

/** GET /plan: time and cost of many images. Requires metricsPlugin. */
export function planRoutes(app: App, services: Services): void {
  app.addSchema(SpeedResponse);
  app.addSchema(PlanResponse);
  const { config } = services;
  const observed = observeSpeed(app.metrics, services.models.defaultName);
  app.get(
    '/plan',
    {
      schema: {
        operationId: 'planBatch',
        summary: 'Estimate time and cost',
        description:
          'Time and cost in US dollars of many images on this machine, AWS Lambda and AWS Fargate, with the arithmetic. Speeds are measured with the single images classified since the start; before there are enough, documented speeds are used.',
        tags: ['batch'],
        querystring: PlanQuery,
        response: {
          200: {
            description: 'The plan',
            content: { 'application/json': { schema: Type.Unsafe<Plan>({ $ref: 'Plan#' }) } },
          },
          ...problems('UNAUTHORIZED'),
        },
      },
    },
    async ({ query }) => {
      const { imageBytes, vcpu = PLAN_DEFAULTS.vcpu, ...options } = query;
      const size = sizeOfBytes(imageBytes);
      const plan = makePlan(
        { ...PLAN_DEFAULTS, shardSize: config.SHARD_SIZE, ...options, vcpu: Number(vcpu) },
        size,
        speedHere(services, observed, size),
      );
      // With AWS Batch, no job runs on this machine.
      if (config.JOBS === 'local') return plan;
      return { ...plan, estimates: plan.estimates.slice(1) };
    },
  );
}

const sizeOfBytes = (bytes: number | undefined): PictureSize =>
  bytes === undefined || bytes === DEFAULT_SIZE.bytes ? DEFAULT_SIZE : sizeOfPixels(bytes / BYTES_PER_PIXEL);

/** The observed speed, or the documented one. */
function speedHere({ config, models }: Services, observed: ObservedSpeed, size: PictureSize): Speed {
  const model = models.list().find(({ name }) => name === models.defaultName);
  const measured = observed.read();
  if (model?.task !== 'image-classification' || !measured) return documentedSpeed(size);
  const { pictures, decodeSeconds, inferenceSeconds } = measured;
  const { name, engine, precision } = model;
  return {
    where: 'this machine',
    source: `measured: median of the last ${pictures} images classified one at a time (${name}, ${engine}, ${precision})`,
    engine,
    precision,
    cores: config.cpus,
    decodeSeconds,
    inferenceSeconds,
    // An upper bound: full batches are faster.
    batchSeconds: inferenceSeconds + decodeSeconds / config.cpus,
  };
}
