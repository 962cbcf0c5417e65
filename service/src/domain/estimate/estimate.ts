import { formatCount, formatDollars, formatDuration, formatNumber, plural } from '../format.ts';
import {
  type Architecture,
  batchCostPerMillion,
  type Cost,
  interactiveCostPerMillion,
  PRICES,
} from './prices.ts';
import type { Speed } from './speed.ts';

/** What is planned. */
export interface PlanInput {
  readonly images: number;
  readonly architecture: Architecture;
  /** Of the Lambda function, MB. */
  readonly lambdaMemoryMb: number;
  /** Requests under way at once, each in a Lambda environment of its own. */
  readonly concurrency: number;
  readonly taskVcpu: number;
  readonly taskMemoryMb: number;
  /** vCPUs that tasks may use at once. */
  readonly maxVcpus: number;
  /** Images of one Fargate task. */
  readonly shardSize: number;
}

/** What a plan takes for granted unless it is told otherwise: the stack's own defaults. */
export const PLAN_DEFAULTS: Omit<PlanInput, 'images'> = {
  architecture: 'x86_64',
  lambdaMemoryMb: 3008,
  concurrency: 10,
  taskVcpu: 2,
  taskMemoryMb: 4096,
  maxVcpus: 64,
  shardSize: 5000,
};

/** Time and money of one way to do it, and how they come about. */
export interface Estimate {
  readonly where: string;
  readonly seconds: number;
  /** US dollars; null for a machine that is paid for anyway. */
  readonly usd: number | null;
  readonly arithmetic: readonly string[];
}

/** MB of Lambda memory that come with one vCPU, and the most vCPUs there are. */
const LAMBDA_MB_PER_VCPU = 1769;
const LAMBDA_MAX_VCPU = 6;
/** HTTP, JSON and base64 around a request: an allowance, not a measurement. */
const HANDLING_SECONDS = 0.005;
/** Requests a second that the stack's API takes unless it is told otherwise (infra: throttleRate). */
const API_RATE = 50;
/** From a job's submission to a task's first image: finding room, pulling the image, loading the model. An allowance. */
const TASK_WAIT_SECONDS = 90;
/** The part of it that is billed: from the pull on. */
const TASK_START_SECONDS = 30;
const MILLION = 1_000_000;

const s = (seconds: number) => `${formatNumber(seconds)} s`;
const clock = (seconds: number) => (seconds < 60 ? s(seconds) : `${s(seconds)} (${formatDuration(seconds)})`);
const ms = (seconds: number) => `${formatNumber(seconds * 1000)} ms`;
const n = formatCount;

/** The four ways, the machine that is there first. */
export function estimateAll(input: PlanInput, here: Speed, aws: Speed): Estimate[] {
  return [
    onThisMachine(input, here),
    onLambda(input, aws),
    onFargate(input, aws, false),
    onFargate(input, aws, true),
  ];
}

/**
 * One warm POST /predict on Lambda, taking inference to scale with vCPUs.
 *
 * @returns vCPUs that come with the memory; seconds of decoding and HTTP, which one vCPU does; billed seconds in all
 */
export function lambdaRequest(memoryMb: number, speed: Speed): { vcpu: number; alone: number; each: number } {
  const vcpu = Math.min(LAMBDA_MAX_VCPU, memoryMb / LAMBDA_MB_PER_VCPU);
  const alone = (speed.decodeSeconds + HANDLING_SECONDS) / Math.min(1, vcpu);
  return { vcpu, alone, each: alone + (speed.inferenceSeconds * speed.cores) / vcpu };
}

/** Seconds that one image takes a Fargate task of so many vCPUs, taking its work to scale with them. */
export const taskSecondsPerImage = (vcpu: number, speed: Speed): number =>
  (speed.batchSeconds * speed.cores) / vcpu;

function onThisMachine({ images }: PlanInput, { where, batchSeconds }: Speed): Estimate {
  const seconds = images * batchSeconds;
  return {
    where,
    seconds,
    usd: null,
    arithmetic: [
      `time   ${plural(images, 'image')} × ${ms(batchSeconds)} (${formatNumber(1 / batchSeconds)} images/s) = ${clock(seconds)}`,
    ],
  };
}

function onLambda(input: PlanInput, speed: Speed): Estimate {
  const { images, lambdaMemoryMb: memoryMb, concurrency, architecture } = input;
  const { vcpu, alone, each } = lambdaRequest(memoryMb, speed);
  const rate = Math.min(API_RATE, concurrency / each);
  // A few images at once take as long as one of them.
  const seconds = Math.max(each, images / rate);
  const cost = scale(interactiveCostPerMillion({ architecture, memoryMb, secondsPerImage: each }), images);
  const gb = memoryMb / 1024;
  const { gbSecond, millionRequests } = PRICES.lambda;
  const explain: Readonly<Record<string, string>> = {
    'Lambda time': `${n(images)} × ${s(each)} × ${formatNumber(gb)} GB × $${gbSecond[architecture]} a GB-second`,
    'Lambda requests': `${n(images)} × $${millionRequests} a million`,
    'API Gateway': `${n(images)} × $${PRICES.httpApi.millionRequests} a million`,
  };
  return {
    where: `Lambda, ${n(memoryMb)} MB`,
    seconds,
    usd: cost.usd,
    arithmetic: [
      `vCPU   ${n(memoryMb)} MB ÷ ${n(LAMBDA_MB_PER_VCPU)} = ${formatNumber(vcpu)}`,
      `image  ${ms(alone)} decoding and HTTP + ${ms(speed.inferenceSeconds)} inference on ${speed.cores} cores × ${speed.cores} ÷ ${formatNumber(vcpu)} vCPU = ${ms(each)}`,
      `rate   the lower of ${concurrency} at once ÷ ${s(each)} = ${formatNumber(concurrency / each)}/s, and the API's ${API_RATE}/s`,
      seconds === each
        ? `time   that of one image, ${ms(each)}`
        : `time   ${n(images)} images ÷ ${formatNumber(rate)}/s = ${clock(seconds)}`,
      ...dollars(cost, explain),
    ],
  };
}

function onFargate(input: PlanInput, speed: Speed, spot: boolean): Estimate {
  const { images, architecture, taskVcpu: vcpu, taskMemoryMb: memoryMb, maxVcpus, shardSize } = input;
  const each = taskSecondsPerImage(vcpu, speed);
  const shards = Math.ceil(images / shardSize);
  const tasks = Math.max(1, Math.min(shards, Math.floor(maxVcpus / vcpu)));
  const waves = Math.ceil(shards / tasks);
  const work = Math.ceil(images / shards) * each;
  const seconds = waves * (TASK_WAIT_SECONDS + work);
  // Fargate bills a minute at least.
  const billed = Math.max(60, TASK_START_SECONDS + work);
  const cost = scale(
    batchCostPerMillion({
      architecture,
      vcpu,
      memoryMb,
      imagesPerSecond: 1 / each,
      spot,
      publicAddress: true,
      overhead: 1 - (images * each) / (shards * billed),
    }),
    images,
  );
  const hours = (shards * billed) / 3600;
  const { vcpuHour, gbHour, spotFactor } = PRICES.fargate;
  const size = `(${vcpu} vCPU × $${vcpuHour[architecture]} + ${formatNumber(memoryMb / 1024)} GB × $${gbHour[architecture]})`;
  const explain: Readonly<Record<string, string>> = {
    Fargate: `${formatNumber(hours)} h × ${size} an hour${spot ? ` × ${spotFactor} on Spot, today's price may differ` : ''}`,
    'public addresses': `${formatNumber(hours)} h × $${PRICES.publicIpv4Hour} an hour`,
    'S3 writes (drop and result)': `2 × ${n(images)} × $${PRICES.s3.thousandPuts} a thousand`,
    'S3 reads': `${n(images)} × $${PRICES.s3.thousandGets} a thousand`,
    SQS: `1.2 × ${n(images)} × $${PRICES.sqs.millionRequests} a million`,
  };
  return {
    where: spot ? 'Fargate Spot' : 'Fargate, on demand',
    seconds,
    usd: cost.usd,
    arithmetic: spot
      ? ['       as on demand, except', ...dollars(cost, explain, 'Fargate')]
      : [
          `image  ${ms(speed.batchSeconds)} in batches on ${speed.cores} cores × ${speed.cores} ÷ ${vcpu} vCPU = ${ms(each)}`,
          `tasks  ${plural(images, 'image')} ÷ ${n(shardSize)} = ${n(shards)}, ${n(tasks)} at once (${n(maxVcpus)} vCPU ÷ ${vcpu}): ${plural(waves, 'wave')}`,
          `time   ${n(waves)} × (${TASK_WAIT_SECONDS} s to start + ${s(work)} of work) = ${clock(seconds)}`,
          `billed ${n(shards)} × ${billed === 60 ? 'the least there is, 60 s,' : `(${TASK_START_SECONDS} s to start + ${s(work)})`} = ${formatNumber(hours)} h`,
          ...dollars(cost, explain),
        ],
  };
}

function scale({ items, usd }: Cost, images: number): Cost {
  const share = images / MILLION;
  return { items: items.map((item) => ({ ...item, usd: item.usd * share })), usd: usd * share };
}

/** A line for each item (or only for `one`), and one for their sum. */
function dollars({ items, usd }: Cost, explain: Readonly<Record<string, string>>, one?: string): string[] {
  const shown = items.filter(({ what }) => one === undefined || what === one);
  return [
    ...shown.map(
      (item) => `$      ${item.what}: ${explain[item.what] ?? 'see prices.ts'} = ${formatDollars(item.usd)}`,
    ),
    `$      together ${formatDollars(usd)}`,
  ];
}
