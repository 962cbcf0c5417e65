/** A test that failed, or a file that ended badly. */
export interface Failure {
  /** Relative to the root. */
  readonly file: string;
  /** The names of the test and of the suites around it, outermost first. */
  readonly path: readonly string[];
  readonly error: unknown;
}

export interface Skip {
  readonly file: string;
  readonly name: string;
  readonly reason: string;
}

export interface Results {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  readonly seconds: number;
  /** What failed files wrote, by file. */
  readonly outputs: ReadonlyMap<string, string>;
  readonly slowLeftOut: number;
  readonly failOnSkip: boolean;
}

const MAX_OUTPUT_LINES = 40;
const MAX_SKIPS_NAMED = 3;

const indent = (text: string, by: string) => text.replace(/^(?=.)/gm, by);

/** The stack with the test's own frames, and those of its causes. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The runner wraps what a test threw.
  if ((error as { failureType?: string }).failureType !== undefined && error.cause !== undefined)
    return describeError(error.cause);
  const stack = (error.stack ?? `${error.name}: ${error.message}`)
    .split('\n')
    .filter((line) => !/^\s+at .*\bnode:/.test(line))
    .join('\n');
  return error.cause === undefined ? stack : `${stack}\ncaused by: ${describeError(error.cause)}`;
}

/** The last lines of what a failed file wrote; empty if it wrote nothing. */
function describeOutput(output: string): string {
  const lines = output.trimEnd().split('\n');
  if (lines.join('') === '') return '';
  const cut = lines.length > MAX_OUTPUT_LINES ? [`[the last ${MAX_OUTPUT_LINES} lines]`] : [];
  return [...cut, ...lines.slice(-MAX_OUTPUT_LINES)].join('\n');
}

/** Skipped tests by reason, the most frequent first. */
function describeSkips(skips: readonly Skip[]): string[] {
  const byReason = new Map<string, Skip[]>();
  for (const skip of skips) byReason.set(skip.reason, [...(byReason.get(skip.reason) ?? []), skip]);
  return [...byReason]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([reason, all]) => {
      const named = all.slice(0, MAX_SKIPS_NAMED).map(({ file, name }) => `    ${file}: ${name}`);
      const rest = all.length - named.length;
      return [`  ${all.length} × ${reason}`, ...named, ...(rest > 0 ? [`    and ${rest} more`] : [])].join(
        '\n',
      );
    });
}

/** The end of a report: failures with their errors and output, what was skipped and why, and the counts as last line. */
export function summarize(results: Results): string {
  const { passed, failures, skips, outputs } = results;
  const parts: string[] = [];
  let shown = '';
  for (const [index, { file, path, error }] of failures.entries()) {
    if (index === 0) parts.push('Failures:');
    parts.push(`\n${index + 1}) ${file}: ${path.join(' > ')}\n${indent(describeError(error), '   ')}`);
    const output = file === shown ? '' : describeOutput(outputs.get(file) ?? '');
    if (output !== '') parts.push(`   output of ${file}:\n${indent(output, '   | ')}`);
    shown = file;
  }
  if (skips.length > 0) {
    parts.push(
      results.failOnSkip ? '\nSkipped, which fails this run:' : '\nSkipped:',
      ...describeSkips(skips),
    );
  }
  if (results.slowLeftOut > 0)
    parts.push(`\n${results.slowLeftOut} slow test files left out: npm run test:all runs them`);
  parts.push(
    `\n${passed} passed, ${failures.length} failed, ${skips.length} skipped (${results.seconds.toFixed(0)} s)`,
  );
  return `\n${parts.join('\n').trimStart()}\n`;
}
