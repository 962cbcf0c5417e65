import { formatCount, formatDollars, formatDuration, formatNumber, plural } from '../format.ts';
import { type Architecture, batchCost, type Cost, interactiveCost, PRICES } from './prices.ts';
import type { Speed } from './speed.ts';

/** A job and where it could run; the names are those of GET /plan. */
export interface PlanInput {
  readonly images: number;
  readonly architecture: Architecture;
  /** Of the Lambda function, MB. */
  readonly memory: number;
  /** Concurrent requests, each in a Lambda environment of its own. */
  readonly concurrency: number;
  /** Of a Fargate task. */
  readonly vcpu: number;
  /** Of a Fargate task, MB. */
  readonly taskMemory: number;
  /** vCPUs of all concurrent tasks. */
  readonly maxVcpus: number;
  /** Images per Fargate task. */
  readonly shardSize: number;
}

/** The stack's own defaults. */
export const PLAN_DEFAULTS: Omit<PlanInput, 'images'> = {
  architecture: 'x86_64',
  memory: 3008,
  concurrency: 10,
  vcpu: 2,
  taskMemory: 4096,
  maxVcpus: 64,
  shardSize: 5000,
};

/** Time and cost at one place, with the arithmetic. */
export interface Estimate {
  readonly where: string;
  readonly seconds: number;
  /** US dollars; null for a machine that is paid for anyway. */
  readonly usd: number | null;
  readonly arithmetic: readonly string[];
}

/** MB of Lambda memory per vCPU, and the maximum of vCPUs. */
const LAMBDA_MB_PER_VCPU = 1769;
const LAMBDA_MAX_VCPU = 6;
/** HTTP, JSON and base64 of a request: an allowance, not a measurement. */
const HANDLING_SECONDS = 0.005;
/** Requests per second that the stack's API accepts by default (infra: throttleRate). */
const API_RATE = 50;
/** From a job's submission to a task's first image: placement, image pull, model load. An allowance. */
const TASK_WAIT_SECONDS = 90;
/** The billed part of it, from the pull on. */
const TASK_START_SECONDS = 30;
/** Fargate's minimum charge. */
const MIN_BILLED_SECONDS = 60;

const s = (seconds: number) => `${formatNumber(seconds)} s`;
const clock = (seconds: number) => (seconds < 60 ? s(seconds) : `${s(seconds)} (${formatDuration(seconds)})`);
const ms = (seconds: number) => `${formatNumber(seconds * 1000)} ms`;
const n = formatCount;

/** The service's own machine first. */
export function estimateAll(input: PlanInput, here: Speed, aws: Speed): Estimate[] {
  return [
    onThisMachine(input, here),
    onLambda(input, aws),
    onFargate(input, aws, false),
    onFargate(input, aws, true),
  ];
}

/**
 * One warm POST /predict on Lambda, if inference scales with vCPUs.
 *
 * @returns the memory's vCPUs; seconds of decoding and HTTP, which use one vCPU; billed seconds in total
 */
export function lambdaRequest(memoryMb: number, speed: Speed): { vcpu: number; alone: number; each: number } {
  const vcpu = Math.min(LAMBDA_MAX_VCPU, memoryMb / LAMBDA_MB_PER_VCPU);
  const alone = (speed.decodeSeconds + HANDLING_SECONDS) / Math.min(1, vcpu);
  return { vcpu, alone, each: alone + (speed.inferenceSeconds * speed.cores) / vcpu };
}

/** Seconds per image of a Fargate task or an instance, if its work scales with vCPUs. */
export const taskSecondsPerImage = (vcpu: number, speed: Speed): number =>
  (speed.batchSeconds * speed.cores) / vcpu;

/** Images by POST /predict. */
export const lambdaCost = ({ images, architecture, memory }: PlanInput, speed: Speed): Cost =>
  interactiveCost({
    images,
    architecture,
    memoryMb: memory,
    secondsPerImage: lambdaRequest(memory, speed).each,
  });

/** The tasks of a job; seconds, and billed hours of all tasks together. */
function fargateTasks({ images, vcpu, maxVcpus, shardSize }: PlanInput, speed: Speed) {
  const each = taskSecondsPerImage(vcpu, speed);
  const shards = Math.ceil(images / shardSize);
  const concurrent = Math.max(1, Math.min(shards, Math.floor(maxVcpus / vcpu)));
  const work = Math.ceil(images / shards) * each;
  const billed = Math.max(MIN_BILLED_SECONDS, TASK_START_SECONDS + work);
  return { each, shards, concurrent, work, billed, hours: (shards * billed) / 3600 };
}

/** Images by AWS Batch. */
export const fargateCost = (
  input: PlanInput,
  speed: Speed,
  options: { readonly spot: boolean; readonly publicAddress: boolean },
): Cost =>
  batchCost({
    images: input.images,
    architecture: input.architecture,
    vcpu: input.vcpu,
    memoryMb: input.taskMemory,
    hours: fargateTasks(input, speed).hours,
    ...options,
  });

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
  const { images, memory: memoryMb, concurrency, architecture } = input;
  const { vcpu, alone, each } = lambdaRequest(memoryMb, speed);
  const rate = Math.min(API_RATE, concurrency / each);
  const seconds = Math.max(each, images / rate);
  const cost = lambdaCost(input, speed);
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
  const { images, architecture, vcpu, taskMemory: memoryMb, maxVcpus, shardSize } = input;
  const { each, shards, concurrent, work, billed, hours } = fargateTasks(input, speed);
  const waves = Math.ceil(shards / concurrent);
  const seconds = waves * (TASK_WAIT_SECONDS + work);
  const cost = fargateCost(input, speed, { spot, publicAddress: true });
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
          `tasks  ${plural(images, 'image')} ÷ ${n(shardSize)} = ${n(shards)}, ${n(concurrent)} at once (${n(maxVcpus)} vCPU ÷ ${vcpu}): ${plural(waves, 'wave')}`,
          `time   ${n(waves)} × (${TASK_WAIT_SECONDS} s to start + ${s(work)} of work) = ${clock(seconds)}`,
          `billed ${n(shards)} × ${billed === MIN_BILLED_SECONDS ? `the minimum, ${MIN_BILLED_SECONDS} s,` : `(${TASK_START_SECONDS} s to start + ${s(work)})`} = ${formatNumber(hours)} h`,
          ...dollars(cost, explain),
        ],
  };
}

/** A line per item (or only for `one`), and one for their sum. */
function dollars({ items, usd }: Cost, explain: Readonly<Record<string, string>>, one?: string): string[] {
  const shown = items.filter(({ what }) => one === undefined || what === one);
  return [
    ...shown.map(
      (item) => `$      ${item.what}: ${explain[item.what] ?? 'see prices.ts'} = ${formatDollars(item.usd)}`,
    ),
    `$      together ${formatDollars(usd)}`,
  ];
}
