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

/** GET /plan: what many pictures would take and cost. The app must know its metrics (metricsPlugin). */
export function planRoutes(app: App, services: Services): void {
  app.addSchema(PlanResponse);
  const { config } = services;
  const observed = observeSpeed(app.metrics, services.models.defaultName);
  app.get(
    '/plan',
    {
      schema: {
        operationId: 'planBatch',
        summary: 'Predict time and cost',
        description:
          'How long so many pictures take and what they cost in US dollars: on this machine, on AWS Lambda and on AWS Fargate, with the arithmetic. Speeds are those this service has had with single pictures since its start, or documented ones until it has classified a few.',
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
      // With AWS Batch no job runs where this answers.
      if (config.JOBS === 'local') return plan;
      return { ...plan, estimates: plan.estimates.slice(1) };
    },
  );
}

const sizeOfBytes = (bytes: number | undefined): PictureSize =>
  bytes === undefined || bytes === DEFAULT_SIZE.bytes ? DEFAULT_SIZE : sizeOfPixels(bytes / BYTES_PER_PIXEL);

/** What the service knows of itself, or the documented speed. */
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
    // An upper bound: full batches are faster, but a service that had none does not know by how much.
    batchSeconds: inferenceSeconds + decodeSeconds / config.cpus,
  };
}
