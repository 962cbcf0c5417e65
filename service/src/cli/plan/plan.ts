import type { Command } from 'commander';
import { Option } from 'commander';
import { type Architecture, PRICES } from '../../domain/prices.ts';
import {
  type Context,
  clientOf,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../context.ts';
import { CommandError } from '../failure.ts';
import { estimateAll } from './estimate.ts';
import { measureSpeed } from './measure.ts';
import { DEFAULT_SIZE, type PictureSize, parseSize } from './picture-size.ts';
import { notesOn, renderPlan } from './plan-text.ts';
import { documentedSpeed, type Speed, speedOnAws } from './speed.ts';

export interface PlanOptions extends ServiceOptions {
  readonly images: number;
  readonly size: PictureSize;
  readonly memory: number;
  readonly concurrency: number;
  readonly vcpu: number;
  readonly taskMemory: number;
  readonly maxVcpus: number;
  readonly shardSize: number;
  readonly architecture: Architecture;
  readonly speed: 'auto' | 'measured' | 'documented';
  readonly json?: boolean;
}

/** `plan --images N …` */
export function addPlan(program: Command, context: Context): void {
  const command = program
    .command('plan')
    .summary('predict time and cost')
    .description('Predicts how long many pictures take and what they cost: here, on Lambda and on Fargate.')
    .requiredOption('-n, --images <n>', 'how many pictures', wholeNumber(1, 1e12))
    .addOption(
      new Option('--size <size>', 'of one picture: 4000x3000, 12MP or 3.5MB')
        .argParser(parseSize)
        .default(DEFAULT_SIZE, '500x375'),
    )
    .option('--memory <MB>', 'memory of the Lambda function', wholeNumber(512, 10_240), 3008)
    .option('--concurrency <n>', 'requests to Lambda at once', wholeNumber(1, 10_000), 10)
    .addOption(
      new Option('--vcpu <n>', 'vCPUs of a Fargate task')
        .choices(['0.25', '0.5', '1', '2', '4', '8', '16'])
        .default('2'),
    )
    .option('--task-memory <MB>', 'memory of a Fargate task', wholeNumber(512, 122_880), 4096)
    .option('--max-vcpus <n>', 'vCPUs that tasks may use at once', wholeNumber(1, 10_000), 64)
    .option('--shard-size <n>', 'pictures of one Fargate task', wholeNumber(1, 1_000_000), 5000)
    .addOption(
      new Option('--architecture <name>', 'CPU at AWS').choices(['x86_64', 'arm64']).default('x86_64'),
    )
    .addOption(
      new Option(
        '--speed <source>',
        'measured: ask the service, which is busy for five seconds; documented: figures of another machine; auto: measured where a service runs on this machine',
      )
        .choices(['auto', 'measured', 'documented'])
        .default('auto'),
    )
    .option(...JSON_OPTION);
  withService(command).action((options: PlanOptions) =>
    plan(context, { ...options, vcpu: Number(options.vcpu) }),
  );
  withExamples(command, [
    ['ml-serverless plan --images 1000000', 'a million pictures'],
    ['ml-serverless plan -n 20000 --size 12MP --memory 1769', 'of a camera, one vCPU on Lambda'],
    ['ml-serverless plan -n 1_000_000 --speed documented', 'without asking a service'],
    ["ml-serverless plan -n 50000 --json | jq '.estimates[] | [.where, .usd]'", 'for programs'],
  ]);
}

async function plan(context: Context, options: PlanOptions): Promise<void> {
  const { terminal } = context;
  const { images, size, architecture } = options;
  const { speed: here, note } = await findSpeed(context, options);
  const aws = speedOnAws(here, size);
  const estimates = estimateAll(
    {
      images,
      architecture,
      lambdaMemoryMb: options.memory,
      concurrency: options.concurrency,
      taskVcpu: options.vcpu,
      taskMemoryMb: options.taskMemory,
      maxVcpus: options.maxVcpus,
      shardSize: options.shardSize,
    },
    here,
    aws,
  );
  const notes = [note, ...notesOn(options, here, aws)].filter((text) => text !== undefined);
  if (options.json) {
    const { recordedOn, region } = PRICES;
    const prices = { recordedOn, region, currency: 'USD' };
    await terminal.out(jsonLine({ images, size, speed: { here, aws }, prices, estimates, notes }));
    return;
  }
  await terminal.out(renderPlan(terminal, options, here, estimates, notes));
}

/** The speed of this machine, measured where the options and the circumstances allow. */
async function findSpeed(
  context: Context,
  options: PlanOptions,
): Promise<{ readonly speed: Speed; readonly note?: string }> {
  const documented = documentedSpeed(options.size);
  if (options.speed === 'documented') return { speed: documented };
  const client = clientOf(context, options);
  if (options.speed === 'auto' && !client.isLocal) {
    return {
      speed: documented,
      note: `${client.url} is not on this machine; --speed measured measures it nevertheless`,
    };
  }
  try {
    return { speed: await measureSpeed(client, options.size, context) };
  } catch (error) {
    if (options.speed === 'auto' && error instanceof CommandError && error.code === 'UNREACHABLE') {
      return {
        speed: documented,
        note: `no service answers at ${client.url}; npm start, and this machine is measured`,
      };
    }
    throw error;
  }
}
