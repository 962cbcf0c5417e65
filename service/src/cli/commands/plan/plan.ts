import { type Command, Option } from 'commander';
import { PLAN_DEFAULTS } from '../../../domain/estimate/estimate.ts';
import { DEFAULT_SIZE, type PictureSize } from '../../../domain/estimate/picture-size.ts';
import { makePlan, type Plan } from '../../../domain/estimate/plan.ts';
import { documentedSpeed } from '../../../domain/estimate/speed.ts';
import { PlanQuery } from '../../../http/routes/plan/schema.ts';
import {
  type Context,
  clientOf,
  isServiceNamed,
  JSON_OPTION,
  jsonLine,
  type ServiceOptions,
  wholeNumber,
  withExamples,
  withService,
} from '../../context.ts';
import { isNoService } from '../../failure.ts';
import { parseSize } from './picture-size.ts';
import { renderPlan } from './plan-text.ts';

/** Until the service must answer, in milliseconds; otherwise the plan is made here. */
const TIMEOUT_MS = 5000;

/** Options that are passed on to GET /plan as they are. */
const FLAGS = {
  memory: '--memory <MB>',
  concurrency: '--concurrency <n>',
  vcpu: '--vcpu <n>',
  taskMemory: '--task-memory <MB>',
  maxVcpus: '--max-vcpus <n>',
  shardSize: '--shard-size <n>',
  architecture: '--architecture <name>',
} as const;

interface PlanOptions extends ServiceOptions, Omit<PlanQuery, 'imageBytes'> {
  readonly size: PictureSize;
  readonly local?: boolean;
  readonly json?: boolean;
}

/** `plan --images N …` */
export function addPlan(program: Command, context: Context): void {
  const command = program
    .command('plan')
    .summary('estimate time and cost')
    .description('Estimates time and cost of many images: on this machine, on Lambda and on Fargate.')
    .requiredOption('-n, --images <n>', 'number of images', wholeNumber(1, 1e12))
    .addOption(
      new Option('--size <size>', 'of one image: 4000x3000, 12MP or 3.5MB')
        .argParser(parseSize)
        .default(DEFAULT_SIZE, '500x375'),
    );
  for (const [name, flags] of Object.entries(FLAGS)) command.addOption(optionOf(name, flags));
  command
    .option('--local', 'use documented speeds instead of those that the service measured')
    .option(...JSON_OPTION);
  withService(command).action((options: PlanOptions) => run(context, options));
  withExamples(command, [
    ['ml-serverless plan --images 1000000', 'a million images'],
    ['ml-serverless plan -n 20000 --size 12MP --memory 1769', 'large images, one vCPU on Lambda'],
    ['ml-serverless plan -n 1_000_000 --local', 'without a service'],
    ["ml-serverless plan -n 50000 --json | jq '.estimates[] | [.where, .usd]'", 'for programs'],
  ]);
}

/** An option with the description, default and bounds of a parameter of GET /plan. */
function optionOf(name: string, flags: string): Option {
  const parameters: Readonly<Record<string, unknown>> = PlanQuery.properties;
  const {
    description,
    default: fallback,
    enum: choices,
    minimum = 0,
    maximum = 0,
  } = parameters[name] as Bounds;
  const option = new Option(flags, `${description}; default ${fallback}`);
  return choices ? option.choices(choices) : option.argParser(wholeNumber(minimum, maximum));
}

interface Bounds {
  readonly description: string;
  readonly default: string | number;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

async function run(context: Context, options: PlanOptions): Promise<void> {
  const { plan, note } = await findPlan(context, options);
  const { size } = options;
  const shown = { ...plan, size, notes: note === undefined ? plan.notes : [note, ...plan.notes] };
  await context.terminal.out(options.json ? jsonLine(shown) : renderPlan(context.terminal, shown));
}

/** The service's plan; with --local, or if the user named no service and none runs, one of documented speeds. */
async function findPlan(
  context: Context,
  { size, json: _, local, url, apiKey, ...parameters }: PlanOptions,
): Promise<{ readonly plan: Plan; readonly note?: string }> {
  const documented = () => {
    const vcpu = Number(parameters.vcpu ?? PLAN_DEFAULTS.vcpu);
    return makePlan({ ...PLAN_DEFAULTS, ...parameters, vcpu }, size, documentedSpeed(size));
  };
  if (local) return { plan: documented() };
  const client = clientOf(context, { url, apiKey }, 'or add --local');
  const searchParams = { ...parameters, imageBytes: Math.max(1, size.bytes) };
  try {
    return { plan: await client.json<Plan>('/plan', 'estimates', { searchParams, timeout: TIMEOUT_MS }) };
  } catch (error) {
    if (isServiceNamed(context, { url }) || !isNoService(error)) throw error;
    return { plan: documented(), note: `no service at ${client.url}; the speeds are documented ones` };
  }
}
