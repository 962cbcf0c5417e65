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
import { PlanQuery, PlanResponse } from './schema.ts';

/** GET /plan: time and cost of many images. Needs metricsPlugin. */
export function planRoutes(app: App, services: Services): void {
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
          'Time and cost in US dollars for a number of images on this machine, AWS Lambda and AWS Fargate, with the arithmetic. Speeds are measured from single images since the start of the service, or documented ones until it has classified a few.',
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
      const { images, imageBytes, memory, concurrency, maxVcpus } = query;
      const size = sizeOfBytes(imageBytes);
      const plan = makePlan(
        {
          ...PLAN_DEFAULTS,
          images,
          lambdaMemoryMb: memory ?? PLAN_DEFAULTS.lambdaMemoryMb,
          concurrency: concurrency ?? PLAN_DEFAULTS.concurrency,
          maxVcpus: maxVcpus ?? PLAN_DEFAULTS.maxVcpus,
          shardSize: config.SHARD_SIZE,
        },
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

/** The measured speed of this service, or the documented one. */
function speedHere({ config, models }: Services, observed: ObservedSpeed, size: PictureSize): Speed {
  const model = models.list().find(({ name }) => name === models.defaultName);
  const measured = observed.read();
  if (model?.task !== 'image-classification' || !measured) return documentedSpeed(size);
  const { pictures, decodeSeconds, inferenceSeconds } = measured;
  const { name, engine, precision } = model;
  return {
    where: 'this machine',
    source: `measured: median of the last ${pictures} pictures classified one at a time (${name}, ${engine}, ${precision})`,
    engine,
    precision,
    cores: config.cpus,
    decodeSeconds,
    inferenceSeconds,
    // An upper bound: full batches are faster, by an unknown factor.
    batchSeconds: inferenceSeconds + decodeSeconds / config.cpus,
  };
}
