import { availableParallelism } from 'node:os';
import { findTestFiles } from './test-files.ts';

/** Maximum duration of a test file. A test that hangs fails with its name; the run always ends. */
const TEST_TIMEOUT_MS = 600_000;

/** Many tests wait for processes that they started, so two files share even a single core. */
const MIN_FILES_AT_ONCE = 2;

export interface NodeCommand {
  /** Node's arguments. */
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The command that runs the tests; the reporter reads its environment.
 *
 * @param args parts of paths, `--all` (slow files too; a skipped test then fails the run), and flags of node's test runner
 * @throws SetupError when no test file matches
 */
export async function testCommand(root: string, args: readonly string[]): Promise<NodeCommand> {
  const all = args.includes('--all');
  const filters = args.filter((each) => !each.startsWith('-'));
  const flags = args.filter((each) => each.startsWith('-') && each !== '--all');
  const { files, slow } = await findTestFiles(root, filters, all);
  const reporter = new URL('./test-reporter.js', import.meta.url).href;
  return {
    args: [
      '--enable-source-maps',
      '--test',
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      `--test-concurrency=${Math.max(MIN_FILES_AT_ONCE, availableParallelism())}`,
      ...(flags.some((flag) => flag.startsWith('--test-reporter')) ? [] : [`--test-reporter=${reporter}`]),
      ...flags,
      ...files,
    ],
    environment: { ...(all && { FAIL_ON_SKIP: '1' }), SLOW_FILES_LEFT_OUT: String(slow) },
  };
}
