import { lambdaRequest, taskSecondsPerImage } from '../../service/src/domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../service/src/domain/estimate/picture-size.ts';
import {
  batchCostPerMillion,
  type Cost,
  idleCostPerMonth,
  interactiveCostPerMillion,
  PRICES,
  sagemakerVcpus,
  serverlessEndpointCostPerMillion,
  transformCostPerMillion,
} from '../../service/src/domain/estimate/prices.ts';
import { documentedSpeed } from '../../service/src/domain/estimate/speed.ts';
import type { Parameters } from './parameters.ts';
import { instanceOf } from './sagemaker-parameters.ts';

/**
 * The speed of the estimates, for images of ImageNet's usual size. docs/aws.md describes the measurement. A vCPU of Lambda
 * or Fargate can be slower: run `npm run bench` on the target.
 */
const SPEED = documentedSpeed(DEFAULT_SIZE);

/** Share of a worker's time for image pull and start, if a shard takes minutes. */
const TASK_OVERHEAD = 0.1;
/** Uncompressed size. ECR bills compressed layers, which are smaller. */
const IMAGE_GB = 0.9;
const ZONES = 2;

/** Billed seconds of one warm POST /predict. */
export const interactiveSeconds = (lambdaMemoryMb: number): number =>
  lambdaRequest(lambdaMemoryMb, SPEED).each;

/** Images a second of one worker. */
export const workerImagesPerSecond = (taskVcpu: number): number => 1 / taskSecondsPerImage(taskVcpu, SPEED);

/** The cost of a stack with these parameters: idle per month, and per million images by request and by job. */
export function estimateCosts(parameters: Parameters): {
  idle: Cost;
  interactive: Cost;
  batch: Cost;
  sagemaker?: Cost;
} {
  const { architecture, network, auth, sagemaker, sagemakerMode, sagemakerMemoryMb } = parameters;
  const instance = instanceOf(parameters);
  const endpoints = network === 'private' ? (auth === 'key' ? 6 : 5) : 0;
  return {
    idle: idleCostPerMonth({
      hasSecret: auth === 'key',
      imageGb: IMAGE_GB,
      interfaceEndpoints: endpoints * ZONES,
      endpointInstance: sagemaker === 'endpoint' && sagemakerMode === 'real-time' ? instance : undefined,
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
    ...(sagemaker === 'batch-transform'
      ? { sagemaker: transformCostPerMillion(instance, workerImagesPerSecond(sagemakerVcpus(instance))) }
      : {}),
    // vCPUs scale with memory; the same ratio as Lambda's is assumed.
    ...(sagemaker === 'endpoint' && sagemakerMode === 'serverless'
      ? {
          sagemaker: serverlessEndpointCostPerMillion({
            memoryMb: sagemakerMemoryMb,
            secondsPerImage: interactiveSeconds(sagemakerMemoryMb),
          }),
        }
      : {}),
  };
}

/** Formats the estimate as text. */
export function describeCosts(parameters: Parameters): string {
  const { idle, interactive, batch, sagemaker } = estimateCosts(parameters);
  const line = (what: string, { usd, items }: Cost) =>
    `  ${what.padEnd(34)} $${usd.toFixed(2).padStart(7)}   (${items.map((item) => `${item.what} ${item.usd.toFixed(2)}`).join(', ')})`;
  return [
    `Estimate, at prices of ${PRICES.region} recorded on ${PRICES.recordedOn} (check them) and speeds measured on two cores:`,
    line('idle, a month', idle),
    line('a million images by POST /predict', interactive),
    line('a million images by AWS Batch', batch),
    ...(sagemaker ? [line('a million images by SageMaker', sagemaker)] : []),
  ].join('\n');
}
