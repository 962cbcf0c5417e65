import { describeFailure } from '../setup/failure.ts';
import { createProgress } from '../setup/progress.mjs';
import { quietTensorFlow } from '../src/config/config.ts';

/** Exit status of a wrong command line (EX_USAGE of sysexits.h). */
const EXIT_USAGE = 64;

/** Runs a command that takes exactly `parameters` and any of `flags`; a failure is one line on stderr and exit status 1. */
export async function runProgram(
  name: string,
  parameters: readonly string[],
  flags: readonly string[],
  run: (args: readonly string[], flags: ReadonlySet<string>) => Promise<void>,
): Promise<void> {
  const given = process.argv.slice(2);
  const args = given.filter((each) => !each.startsWith('-'));
  const options = given.filter((each) => each.startsWith('-'));
  const wantsHelp = options.includes('--help') || options.includes('-h');
  const isUnknown = options.some((each) => !flags.includes(each));
  if (wantsHelp || isUnknown || args.length !== parameters.length) {
    const words = [...parameters.map((each) => `<${each}>`), ...flags.map((each) => `[${each}]`)];
    const usage = `usage: npm run ${name} -- ${words.join(' ')}\n`;
    (wantsHelp ? process.stdout : process.stderr).write(usage);
    process.exitCode = wantsHelp ? 0 : EXIT_USAGE;
    return;
  }
  quietTensorFlow();
  try {
    await run(args, new Set(options));
  } catch (error) {
    process.stderr.write(`${name}: ${describeFailure(error)}\n`);
    process.exitCode = 1;
  }
}

/** Shows the progress of a command over its pictures, on stderr. */
export function showProgress(name: string, model: string) {
  const progress = createProgress();
  let step: ReturnType<typeof progress.start> | undefined;
  return {
    update(done: number, total: number): void {
      step ??= progress.start(name, model, { total, unit: 'items' });
      step.update(done);
    },
    done: (text: string) => step?.done(text),
  };
}
