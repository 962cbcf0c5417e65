import {
  batchCostPerMillion,
  type Cost,
  idleCostPerMonth,
  interactiveCostPerMillion,
  PRICES,
} from '../../service/src/domain/prices.ts';
import type { Parameters } from './parameters.ts';

/**
 * Speeds the estimates start from: float32 on two cores with AVX-512, medians of one machine in one sitting (docs/aws.md says how they
 * were measured). A vCPU of Lambda or Fargate can be slower: `npm run bench` on the target is what counts.
 */
export const MEASURED = {
  cores: 2,
  /** One image at a time, all cores. */
  inferenceSeconds: 0.035,
  /** One core. */
  decodeSeconds: 0.005,
  /** HTTP, JSON and base64 around it: an allowance, not a measurement. */
  handlingSeconds: 0.005,
  /** An image in batches of eight, all cores; decoding runs beside it and is in the figure. */
  batchSeconds: 0.0325,
} as const;

/** MB of Lambda memory that come with one vCPU. */
export const LAMBDA_MB_PER_VCPU = 1769;
/** Share of a worker's time that is image pull and start, for shards of minutes. */
const TASK_OVERHEAD = 0.1;
/** Uncompressed goal; ECR bills the compressed layers, which are less. */
const IMAGE_GB = 0.9;
const ZONES = 2;

/** Billed seconds of one warm POST /predict, taking inference to scale with vCPUs (Lambda gives at most six). */
export function interactiveSeconds(lambdaMemoryMb: number): number {
  const vcpu = Math.min(6, lambdaMemoryMb / LAMBDA_MB_PER_VCPU);
  const alone = MEASURED.decodeSeconds + MEASURED.handlingSeconds;
  return alone / Math.min(1, vcpu) + (MEASURED.inferenceSeconds * MEASURED.cores) / vcpu;
}

/** Images a second of one worker, taking its work to scale with vCPUs. */
export function workerImagesPerSecond(taskVcpu: number): number {
  return taskVcpu / MEASURED.cores / MEASURED.batchSeconds;
}

/** What a stack with these parameters costs, idle (a month) and per million images on either path. */
export function estimateCosts(parameters: Parameters): { idle: Cost; interactive: Cost; batch: Cost } {
  const { architecture, network, auth } = parameters;
  const endpoints = network === 'private' ? (auth === 'key' ? 5 : 4) : 0;
  return {
    idle: idleCostPerMonth({
      hasSecret: auth === 'key',
      imageGb: IMAGE_GB,
      interfaceEndpoints: endpoints * ZONES,
    }),
    interactive: interactiveCostPerMillion({
      architecture,
      memoryMb: parameters.lambdaMemoryMb,
      secondsPerImage: interactiveSeconds(parameters.lambdaMemoryMb),
    }),
    batch: batchCostPerMillion({
      architecture,
      vcpu: parameters.taskVcpu,
      memoryMb: parameters.taskMemoryMb,
      imagesPerSecond: workerImagesPerSecond(parameters.taskVcpu),
      spot: parameters.spot,
      publicAddress: network === 'public',
      overhead: TASK_OVERHEAD,
    }),
  };
}

/** The estimate as a few lines of text. */
export function describeCosts(parameters: Parameters): string {
  const { idle, interactive, batch } = estimateCosts(parameters);
  const line = (what: string, { usd, items }: Cost) =>
    `  ${what.padEnd(34)} $${usd.toFixed(2).padStart(7)}   (${items.map((item) => `${item.what} ${item.usd.toFixed(2)}`).join(', ')})`;
  return [
    `Roughly, at prices of ${PRICES.region} written down on ${PRICES.recordedOn} (check them) and speeds measured on two cores:`,
    line('idle, a month', idle),
    line('a million images by POST /predict', interactive),
    line('a million images by AWS Batch', batch),
  ].join('\n');
}
