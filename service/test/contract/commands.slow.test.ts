import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type OtlpReceiver, startOtlpReceiver } from '../helpers/otlp-receiver.ts';
import { openRealModels } from '../helpers/real-models.ts';
import { fromRoot, root } from '../helpers/root.ts';
import { until } from '../helpers/until.ts';
import { type Clone, openClone } from './commands/clone.ts';
import { ELSEWHERE, elsewhere, MARKS } from './commands/elsewhere.ts';
import { type Command, commandsOf } from './commands/extract.ts';
import { shapeFault } from './commands/shape.ts';

const real = await openRealModels();
await real.models?.close();

const below = (folder: string) =>
  readdirSync(fromRoot(folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
/** README first: what it drops into the folder is what other pages ask for. */
const pages = [
  ...readdirSync(root),
  ...['docs', 'docker', 'infra', 'models', 'service'].flatMap(below),
].filter((path) => path.endsWith('.md') && path !== 'README.md' && !/\b(node_modules|cdk\.out)\b/.test(path));
const commands = ['README.md', ...pages].flatMap((page) =>
  commandsOf(page, readFileSync(fromRoot(page), 'utf8')),
);

/** `npm start`, also with settings before it and its log sent to a file: the service that is running is started so. */
const isStart = ({ line }: Command) => /^([A-Z_]+=\S+ )?npm start( >service\.log &)?$/.test(line);
const isRunHere = (command: Command) =>
  command.mark === undefined && !elsewhere(command.line) && !isStart(command);

/** Runs commands one after the other. @returns a line for each that does not do what its page says */
async function faultsOf(clone: Clone, wanted: readonly Command[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { at, line, shown } of wanted) {
    const outcome = await clone.run(line);
    const fault = outcome.fault ?? (shown === undefined ? undefined : shapeFault(shown, outcome.stdout));
    if (fault) faults.push(`${at}: ${line}\n  ${fault}`);
  }
  return faults;
}

describe('the commands of the documentation', () => {
  test('are each run here, run by another test, or marked with a reason that is known', () => {
    assert.ok(commands.length > 40, `${commands.length} commands`);
    for (const { at, mark } of commands) {
      if (mark !== undefined)
        assert.ok(Object.hasOwn(MARKS, mark), `${at}: \`\`\`sh ${mark} is no known mark`);
    }
    for (const mark of Object.keys(MARKS))
      assert.ok(
        commands.some((command) => command.mark === mark),
        mark,
      );
  });

  test('that another test or CI runs are there, and are run there', () => {
    for (const { command, file, text } of ELSEWHERE) {
      assert.ok(
        commands.some(({ line }) => elsewhere(line)?.command === command),
        `no page has "${command}" any more`,
      );
      assert.ok(
        readFileSync(file, 'utf8').includes(text),
        `${file} does not run "${command}" any more: ${text}`,
      );
    }
  });

  test('cannot hide from this test in blocks of other names, or without a fence', () => {
    assert.throws(
      () => commandsOf('x.md', 'a\n```bash\ncurl x\n```\n'),
      /^Error: x\.md:2: call this block sh$/,
    );
    assert.throws(() => commandsOf('x.md', 'a\n\n    curl x\n'), /^Error: x\.md:3: put this command/);
    const text = '```sh aws\n# why\na \\\n  b   # c\n```\n\n```sh\nd\n```\n\n```json\n{}\n```\n';
    assert.deepEqual(commandsOf('x.md', text), [
      { at: 'x.md:4', line: 'a b   # c', mark: 'aws', shown: undefined },
      { at: 'x.md:8', line: 'd', mark: undefined, shown: '{}' },
    ]);
  });

  test('are compared with what the page shows by shape, in which … stands for more', () => {
    const shown = '{"a":[{"b":1}, …],"t":{…}}';
    assert.equal(shapeFault(shown, '{"a":[{"b":2},{"b":3,"c":4}],"t":{"x":1},"more":0}'), undefined);
    assert.equal(
      shapeFault(shown, '{"a":[{"b":2},{"b":"3"}],"t":{}}'),
      '/a/1/b is string, the page shows number',
    );
    assert.equal(shapeFault(shown, '{"a":[],"t":{}}'), '/a is empty');
    assert.equal(shapeFault(shown, '{"a":[{"b":2}]}'), '/t is not there');
    assert.match(shapeFault(shown, 'Bad Gateway') ?? '', /^not JSON/);
  });

  describe('typed into a clone with a service that npm start started', { skip: real.missing }, () => {
    let collector: OtlpReceiver;
    let clone: Clone;
    before(async () => {
      collector = await startOtlpReceiver();
      clone = await openClone({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
    });
    after(async () => {
      await clone?.close();
      await collector?.close();
    });

    test('do what their page says', async () => {
      const wanted = commands.filter(isRunHere);
      assert.ok(wanted.length >= 12, wanted.map(({ line }) => line).join('\n'));
      const faults = await faultsOf(clone, wanted);
      assert.ok(faults.length === 0, [...faults, 'the service logged at last:', clone.log()].join('\n'));
    });

    test('would be told if they did not: no such command, route, file or output', async () => {
      const wrong = [
        ['frobnicate data/', undefined],
        ['curl http://localhost:8080/no-such-route', undefined],
        ['cat data/output/no-such.json | head -1', undefined],
        ['npm run -s batch -- submit input/no-such-folder/', undefined],
        ['curl http://localhost:8080/models', '{"model": "resnet50"}'],
      ] as const;
      const made = wrong.map(([line, shown]) => ({ at: 'x.md:1', line, mark: undefined, shown }));
      const faults = await faultsOf(clone, made);
      assert.deepEqual(
        faults.map((fault) => fault.split('\n', 1)[0]),
        made.map(({ line }) => `x.md:1: ${line}`),
      );
    });

    test('that name a collector have their traces sent there', async () => {
      assert.ok(commands.some(({ line }) => line.startsWith('OTEL_EXPORTER_OTLP_ENDPOINT=')));
      const isThere = () => collector.spans.some(({ name }) => name === 'POST /predict');
      // They are sent every few seconds.
      await until('a span of a request', isThere);
    });
  });
});
