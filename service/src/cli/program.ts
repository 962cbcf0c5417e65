import { Command, type Option } from 'commander';
import { addBatch } from './commands/batch/batch.ts';
import { addClassify } from './commands/classify.ts';
import { addPlan } from './commands/plan/plan.ts';
import { type Context, withExamples } from './context.ts';
import { failureMark } from './ui/terminal.ts';

const SCRIPTS = new Set(['classify', 'batch', 'plan']);

const OWN_NAME = new RegExp(`ml-serverless (${[...SCRIPTS].join('|')})`, 'g');

/** "what it is for (one, two, three; default two)" */
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

/** All commands, ready to parse; a wrong line throws a CommanderError, after it was told on stderr. */
export function createProgram(given: Omit<Context, 'invocation' | 'cwd'>): Command {
  const { config, terminal } = given;
  const script = config.npm_lifecycle_event;
  const isScript = script !== undefined && SCRIPTS.has(script);
  const context: Context = {
    ...given,
    // npm runs its scripts in the package's folder, wherever its user stands.
    cwd: (isScript && config.INIT_CWD) || process.cwd(),
    invocation: (group, ...words) =>
      isScript
        ? ['npm run -s', group, '--', ...words].join(' ')
        : ['ml-serverless', group, ...words].join(' '),
  };
  const { colours } = terminal;
  const program = new Command('ml-serverless')
    .description('Names what is in photographs: one at a time, or many as a job.')
    .exitOverride()
    .showHelpAfterError('(add --help to see what there is)')
    .helpOption('-h, --help', 'show this')
    .configureOutput({
      // In a clone nothing is installed under the program's own name: the line that its user typed is shown, just as long.
      writeOut: (text) =>
        process.stdout.write(isScript ? text.replaceAll(OWN_NAME, 'npm run -s $1 --') : text),
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
    ['ml-serverless classify cat.jpg', 'what is in a picture'],
    ['ml-serverless batch submit photos/ --watch', 'a folder as a job, with progress'],
    ['ml-serverless plan --images 1000000', 'what a million pictures take, and cost'],
    ['npm run -s classify -- cat.jpg', 'the same in a clone, without installing it'],
  ]);
}
