import { parseArgs } from 'node:util';
import { AppError } from '../../service/src/domain/errors.ts';
import { describeParameters, type Parameters, parseParameters } from './parameters.ts';

export interface CommandLine {
  readonly parameters: Parameters;
  /** The original arguments, for `cdk`. */
  readonly context: readonly string[];
  readonly profile: string | undefined;
  readonly yes: boolean;
  readonly help: boolean;
}

/**
 * `-c name=value …`, `--profile`, `--yes`, `--help`.
 *
 * @throws AppError INVALID_CONFIGURATION for unknown options and invalid parameters
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        context: { type: 'string', short: 'c', multiple: true, default: [] },
        profile: { type: 'string' },
        yes: { type: 'boolean', short: 'y', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { context, profile, yes, help } = values;
    const pairs = context.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new AppError('INVALID_CONFIGURATION', `-c ${pair}: write -c name=value`);
      return [pair.slice(0, at), pair.slice(at + 1)] as const;
    });
    return { parameters: parseParameters(Object.fromEntries(pairs)), context, profile, yes, help };
  } catch (error) {
    if (error instanceof AppError) throw error;
    const message = error instanceof Error ? (error.message.split('. ')[0] ?? '') : String(error);
    throw new AppError(
      'INVALID_CONFIGURATION',
      `${message}; --help shows what there is`,
      {},
      { cause: error },
    );
  }
}

export const USAGE = `Usage: npm run synth|deploy|destroy -- [options]

  synth     write the CloudFormation template, checked by cdk-nag; asks AWS nothing
  deploy    check credentials, bootstrap and Docker, then make or change the stack
  destroy   delete the stack; with it the bucket, unless it was deployed with -c retainData=true

Options of deploy and destroy
  --profile <name>               profile of the AWS configuration
  -y, --yes                      do not ask
  -h, --help                     this text

Parameters (for synth too)
${describeParameters()}`;

/** Runs a command's main function. An expected failure prints one line and exits with status 1. */
export async function main(run: (args: readonly string[]) => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
