import type { Command } from 'commander';
import { Option } from 'commander';
import { PLAN_DEFAULTS } from '../../../domain/estimate/estimate.ts';
import { DEFAULT_SIZE, type PictureSize } from '../../../domain/estimate/picture-size.ts';
import { makePlan } from '../../../domain/estimate/plan.ts';
import type { Architecture } from '../../../domain/estimate/prices.ts';
import { documentedSpeed, type Speed } from '../../../domain/estimate/speed.ts';
import {
  type Context,
  clientOf,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../../context.ts';
import { CommandError } from '../../failure.ts';
import { measureSpeed } from './measure.ts';
import { parseSize } from './picture-size.ts';
import { renderPlan } from './plan-text.ts';

interface PlanOptions extends ServiceOptions {
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
    .option(
      '--memory <MB>',
      'memory of the Lambda function',
      wholeNumber(512, 10_240),
      PLAN_DEFAULTS.lambdaMemoryMb,
    )
    .option(
      '--concurrency <n>',
      'requests to Lambda at once',
      wholeNumber(1, 10_000),
      PLAN_DEFAULTS.concurrency,
    )
    .addOption(
      new Option('--vcpu <n>', 'vCPUs of a Fargate task')
        .choices(['0.25', '0.5', '1', '2', '4', '8', '16'])
        .default(String(PLAN_DEFAULTS.taskVcpu)),
    )
    .option(
      '--task-memory <MB>',
      'memory of a Fargate task',
      wholeNumber(512, 122_880),
      PLAN_DEFAULTS.taskMemoryMb,
    )
    .option(
      '--max-vcpus <n>',
      'vCPUs that tasks may use at once',
      wholeNumber(1, 10_000),
      PLAN_DEFAULTS.maxVcpus,
    )
    .option(
      '--shard-size <n>',
      'pictures of one Fargate task',
      wholeNumber(1, 1_000_000),
      PLAN_DEFAULTS.shardSize,
    )
    .addOption(
      new Option('--architecture <name>', 'CPU at AWS')
        .choices(['x86_64', 'arm64'])
        .default(PLAN_DEFAULTS.architecture),
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
    run(context, { ...options, vcpu: Number(options.vcpu) }),
  );
  withExamples(command, [
    ['ml-serverless plan --images 1000000', 'a million pictures'],
    ['ml-serverless plan -n 20000 --size 12MP --memory 1769', 'of a camera, one vCPU on Lambda'],
    ['ml-serverless plan -n 1_000_000 --speed documented', 'without asking a service'],
    ["ml-serverless plan -n 50000 --json | jq '.estimates[] | [.where, .usd]'", 'for programs'],
  ]);
}

async function run(context: Context, options: PlanOptions): Promise<void> {
  const { terminal } = context;
  const { images, size, architecture } = options;
  const { speed: here, note } = await findSpeed(context, options);
  const plan = makePlan(
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
    size,
    here,
  );
  const notes = note === undefined ? plan.notes : [note, ...plan.notes];
  if (options.json) {
    await terminal.out(jsonLine({ ...plan, notes }));
    return;
  }
  await terminal.out(renderPlan(terminal, options, here, plan.estimates, notes));
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
