import { Command, type Option } from 'commander';
import { addBatch } from './commands/batch/batch.ts';
import { addClassify } from './commands/classify.ts';
import { addPlan } from './commands/plan/plan.ts';
import { type Context, withExamples } from './context.ts';
import { failureMark } from './ui/terminal.ts';

const SCRIPTS = new Set(['classify', 'batch', 'plan']);

/** Command lines as the user can type them: `ml-serverless` exists where npm link or a container installed it. */
function typed(text: string, script: string | undefined): string {
  const name = /ml-serverless (classify|batch|plan|\[)/g;
  if (script === 'npx') return text.replaceAll(name, 'npx $&');
  return SCRIPTS.has(script ?? '') ? text.replaceAll(name, 'npm run -s $1 --') : text;
}

/** "description (choice, choice; default choice)" */
function optionDescription({
  description,
  argChoices,
  defaultValue,
  defaultValueDescription,
}: Option): string {
  const facts = [
    ...(argChoices ? [argChoices.join(', ')] : []),
    ...(defaultValue === undefined ? [] : [`default ${defaultValueDescription ?? String(defaultValue)}`]),
  ];
  return facts.length > 0 ? `${description} (${facts.join('; ')})` : description;
}

/** All commands, ready to parse; an invalid command line is reported on stderr, then throws a CommanderError. */
export function createProgram(given: Omit<Context, 'invocation' | 'cwd'>): Command {
  const { config, terminal } = given;
  const script = config.npm_lifecycle_event;
  const isScript = script !== undefined && SCRIPTS.has(script);
  const context: Context = {
    ...given,
    // npm runs scripts in the package's folder.
    cwd: (isScript && config.INIT_CWD) || process.cwd(),
    invocation: (...words) => typed(['ml-serverless', ...words].join(' '), script),
  };
  const { colours } = terminal;
  const program = new Command('ml-serverless')
    .description('Classifies images: a few at once, or many as a job.')
    .exitOverride()
    .showHelpAfterError('(add --help for usage)')
    .helpOption('-h, --help', 'print this help')
    .configureOutput({
      writeOut: (text) => process.stdout.write(typed(text, script)),
      outputError: (text, write) =>
        write(terminal.live ? text.replace(/^error:/, failureMark(terminal)) : text),
    })
    .configureHelp({
      optionDescription,
      styleTitle: colours.bold,
      styleCommandText: colours.cyan,
      styleOptionTerm: colours.cyan,
      styleSubcommandTerm: colours.cyan,
      styleArgumentTerm: colours.cyan,
    })
    .helpCommand('help [command]', 'help for a command');
  addClassify(program, context);
  addBatch(program, context);
  addPlan(program, context);
  return withExamples(program, [
    ['ml-serverless classify cat.jpg', 'classify an image'],
    ['ml-serverless batch submit photos/ --watch', 'a folder as a job, with progress'],
    ['ml-serverless plan --images 1000000', 'time and cost of a million images'],
    ['npm run -s classify -- cat.jpg', 'the same as an npm script'],
  ]);
}
