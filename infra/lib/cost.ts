import {
  fargateCost,
  lambdaCost,
  lambdaRequest,
  PLAN_DEFAULTS,
  type PlanInput,
  taskSecondsPerImage,
} from '../../service/src/domain/estimate/estimate.ts';
import { DEFAULT_SIZE } from '../../service/src/domain/estimate/picture-size.ts';
import {
  type Cost,
  idleCostPerMonth,
  PRICES,
  type SageMakerInstance,
  sagemakerVcpus,
  serverlessEndpointCost,
  transformCost,
} from '../../service/src/domain/estimate/prices.ts';
import { documentedSpeed } from '../../service/src/domain/estimate/speed.ts';
import type { Parameters } from './parameters.ts';
import { instanceOf } from './sagemaker-parameters.ts';

/** For images of ImageNet's usual size; docs/aws.md says how it was measured. A vCPU on AWS can be slower. */
const SPEED = documentedSpeed(DEFAULT_SIZE);
const IMAGES = 1_000_000;
/** Uncompressed; ECR bills the compressed layers, which are smaller. */
const CONTAINER_IMAGE_GB = 0.9;
const ZONES = 2;

/** The cost of a stack with these parameters: idle per month, and per million images by request and by job. */
export function estimateCosts(parameters: Parameters): {
  idle: Cost;
  interactive: Cost;
  batch: Cost;
  sagemaker?: Cost;
} {
  const { architecture, network, auth, sagemaker, sagemakerMode, spot, maxVcpus } = parameters;
  const { lambdaMemoryMb: memory, taskVcpu: vcpu, taskMemoryMb: taskMemory } = parameters;
  const instance = instanceOf(parameters);
  const endpoints = network === 'private' ? (auth === 'key' ? 6 : 5) : 0;
  const input: PlanInput = {
    ...PLAN_DEFAULTS,
    images: IMAGES,
    architecture,
    memory,
    vcpu,
    taskMemory,
    maxVcpus,
  };
  return {
    idle: idleCostPerMonth({
      hasSecret: auth === 'key',
      imageGb: CONTAINER_IMAGE_GB,
      interfaceEndpoints: endpoints * ZONES,
      endpointInstance: sagemaker === 'endpoint' && sagemakerMode === 'real-time' ? instance : undefined,
    }),
    interactive: lambdaCost(input, SPEED),
    batch: fargateCost(input, SPEED, { spot, publicAddress: network === 'public' }),
    ...(sagemaker === 'batch-transform'
      ? { sagemaker: transformCost(IMAGES, instance, instanceHours(instance)) }
      : {}),
    ...(sagemaker === 'endpoint' && sagemakerMode === 'serverless'
      ? { sagemaker: serverlessCost(parameters.sagemakerMemoryMb) }
      : {}),
  };
}

const instanceHours = (instance: SageMakerInstance): number =>
  (IMAGES * taskSecondsPerImage(sagemakerVcpus(instance), SPEED)) / 3600;

/** If a serverless endpoint has the vCPUs of a Lambda function with the same memory. */
const serverlessCost = (memoryMb: number): Cost =>
  serverlessEndpointCost({
    images: IMAGES,
    memoryMb,
    secondsPerImage: lambdaRequest(memoryMb, SPEED).each,
  });

/** The estimate as text. */
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
