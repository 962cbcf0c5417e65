/**
 * AWS prices and what images and an idle stack cost at them. No price is repeated elsewhere.
 *
 * Prices of us-east-1 in US dollars, without taxes, free tiers or discounts. Recorded on the date in `recordedOn` from memory of
 * the public price lists, not read from them on that day: check them at https://calculator.aws before money depends on them.
 */
export const PRICES = {
  recordedOn: '2026-11-22',
  region: 'us-east-1',
  lambda: { gbSecond: { x86_64: 0.0000166667, arm64: 0.0000133334 }, millionRequests: 0.2 },
  /** The price of Spot changes: about 70 % below on demand. */
  fargate: {
    vcpuHour: { x86_64: 0.04048, arm64: 0.03238 },
    gbHour: { x86_64: 0.004445, arm64: 0.00356 },
    spotFactor: 0.3,
  },
  httpApi: { millionRequests: 1.0 },
  s3: { thousandPuts: 0.005, thousandGets: 0.0004, gbMonth: 0.023 },
  sqs: { millionRequests: 0.4 },
  /** On demand, per hour; `large` has two vCPUs, each further size twice as many. */
  sagemaker: {
    instanceHour: {
      'ml.c6i.large': 0.102,
      'ml.c6i.xlarge': 0.204,
      'ml.c6i.2xlarge': 0.408,
      'ml.c6i.4xlarge': 0.816,
      'ml.c7i.large': 0.1071,
      'ml.c7i.xlarge': 0.2142,
      'ml.c7i.2xlarge': 0.4284,
      'ml.c7i.4xlarge': 0.8568,
      'ml.c7g.large': 0.087,
      'ml.c7g.xlarge': 0.174,
      'ml.c7g.2xlarge': 0.348,
      'ml.c7g.4xlarge': 0.696,
    },
    serverlessGbSecond: 0.00002,
  },
  publicIpv4Hour: 0.005,
  interfaceEndpointHour: 0.01,
  secretMonth: 0.4,
  ecrGbMonth: 0.1,
  logsGb: 0.5,
} as const;

export type SageMakerInstance = keyof typeof PRICES.sagemaker.instanceHour;

export type Architecture = keyof typeof PRICES.lambda.gbSecond;

/** One line of a bill, in US dollars. */
interface CostItem {
  readonly what: string;
  readonly usd: number;
}

export interface Cost {
  readonly items: readonly CostItem[];
  readonly usd: number;
}

const MILLION = 1_000_000;
/** AWS's month. */
const HOURS_PER_MONTH = 730;

const total = (items: readonly CostItem[]): Cost => ({
  items: items.filter((item) => item.usd > 0),
  usd: items.reduce((sum, item) => sum + item.usd, 0),
});

export interface InteractiveUse {
  readonly images: number;
  readonly architecture: Architecture;
  readonly memoryMb: number;
  /** Billed time of one request with one image. */
  readonly secondsPerImage: number;
}

/** Images by POST /predict: API Gateway, Lambda's requests and its time. */
export function interactiveCost({ images, architecture, memoryMb, secondsPerImage }: InteractiveUse): Cost {
  const gbSeconds = (memoryMb / 1024) * secondsPerImage * images;
  const millions = images / MILLION;
  return total([
    { what: 'Lambda time', usd: gbSeconds * PRICES.lambda.gbSecond[architecture] },
    { what: 'Lambda requests', usd: millions * PRICES.lambda.millionRequests },
    { what: 'API Gateway', usd: millions * PRICES.httpApi.millionRequests },
  ]);
}

export interface BatchUse {
  readonly images: number;
  readonly architecture: Architecture;
  readonly vcpu: number;
  readonly memoryMb: number;
  /** Billed hours of all tasks together. */
  readonly hours: number;
  readonly spot: boolean;
  /** Tasks in public subnets have an address, which is billed. */
  readonly publicAddress: boolean;
}

/** Images by AWS Batch on Fargate: the tasks, and S3 for the drop, the read and the result of each image. */
export function batchCost({ images, hours, ...use }: BatchUse): Cost {
  const { vcpuHour, gbHour, spotFactor } = PRICES.fargate;
  const perHour = use.vcpu * vcpuHour[use.architecture] + (use.memoryMb / 1024) * gbHour[use.architecture];
  return total([
    { what: 'Fargate', usd: hours * perHour * (use.spot ? spotFactor : 1) },
    { what: 'public addresses', usd: use.publicAddress ? hours * PRICES.publicIpv4Hour : 0 },
    ...s3Items(images),
    // S3 sends one message per object; receiving and deleting are batched by ten.
    { what: 'SQS', usd: 1.2 * (images / MILLION) * PRICES.sqs.millionRequests },
  ]);
}

const s3Items = (images: number): CostItem[] => [
  { what: 'S3 writes (drop and result)', usd: 2 * (images / 1000) * PRICES.s3.thousandPuts },
  { what: 'S3 reads', usd: (images / 1000) * PRICES.s3.thousandGets },
];

/** Images by a SageMaker serverless endpoint, one per request. */
export function serverlessEndpointCost(use: Omit<InteractiveUse, 'architecture'>): Cost {
  const gbSeconds = (use.memoryMb / 1024) * use.secondsPerImage * use.images;
  return total([{ what: 'endpoint time', usd: gbSeconds * PRICES.sagemaker.serverlessGbSecond }]);
}

/** Images by SageMaker batch transform: the instance, and S3 for the drop, the read and the result of each image. */
export const transformCost = (images: number, instance: SageMakerInstance, hours: number): Cost =>
  total([{ what: instance, usd: hours * PRICES.sagemaker.instanceHour[instance] }, ...s3Items(images)]);

/** vCPUs of an instance, from the size in its name. */
export function sagemakerVcpus(instance: SageMakerInstance): number {
  const [, , size = ''] = instance.split('.');
  return size === 'large' ? 2 : 4 * (Number.parseInt(size, 10) || 1);
}

export interface IdleUse {
  readonly hasSecret: boolean;
  readonly imageGb: number;
  /** Endpoints x zones; 0 in a public network. */
  readonly interfaceEndpoints: number;
  /** The instance of a SageMaker real-time endpoint, which runs without requests as well. */
  readonly endpointInstance?: SageMakerInstance | undefined;
}

/** The stack without requests, per month; stored images and results not included (S3, `gbMonth`). */
export function idleCostPerMonth(use: IdleUse): Cost {
  return total([
    { what: 'Secrets Manager', usd: use.hasSecret ? PRICES.secretMonth : 0 },
    { what: 'container image in ECR', usd: use.imageGb * PRICES.ecrGbMonth },
    {
      what: 'SageMaker endpoint',
      usd: use.endpointInstance ? PRICES.sagemaker.instanceHour[use.endpointInstance] * HOURS_PER_MONTH : 0,
    },
    { what: 'VPC endpoints', usd: use.interfaceEndpoints * PRICES.interfaceEndpointHour * HOURS_PER_MONTH },
  ]);
}
