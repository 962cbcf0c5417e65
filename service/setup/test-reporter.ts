import { relative, resolve, sep } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { type Failure, type Skip, summarize } from './test-summary.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

interface FileResult {
  passed: number;
  failed: string[];
  skipped: number;
  seconds: number | undefined;
  output: string;
}

/** The source of a test file, relative to the root. Newer versions of Node.js already name the source. */
function sourceOf(file: string): string {
  return relative(root, file)
    .split(sep)
    .join('/')
    .replace(/^dist\/(.*)\.js$/, '$1.ts');
}

const countsOf = ({ passed, failed, skipped }: FileResult) =>
  [[passed, 'passed'] as const, [failed.length, 'failed'] as const, [skipped, 'skipped'] as const]
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');

/**
 * A reporter of node's test runner for people, on a terminal and in logs: one line per test file, then a summary.
 * A suite counts only if it is skipped or if its hooks fail, since its tests are counted themselves.
 */
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const started = process.hrtime.bigint();
  const failOnSkip = process.env.FAIL_ON_SKIP === '1';
  const files = new Map<string, FileResult>();
  const failures: Failure[] = [];
  const skips: Skip[] = [];
  let passed = 0;
  let current: string | undefined;
  let suites: string[] = [];

  const resultOf = (file: string): FileResult => {
    const result = files.get(file) ?? { passed: 0, failed: [], skipped: 0, seconds: undefined, output: '' };
    files.set(file, result);
    return result;
  };
  const lineOf = (file: string): string => {
    const result = resultOf(file);
    const time = result.seconds === undefined ? '' : ` (${result.seconds.toFixed(1)} s)`;
    const lines = [
      `${result.failed.length > 0 ? '✖' : '✔'} ${file}  ${countsOf(result) || 'no tests'}${time}`,
    ];
    return [...lines, ...result.failed.map((name) => `    ✖ ${name}`), ''].join('\n');
  };

  for await (const { type, data } of source) {
    if (data === undefined || !('file' in data) || data.file === undefined) continue;
    const file = sourceOf(data.file);
    if (type === 'test:stdout' || type === 'test:stderr') {
      resultOf(file).output += data.message;
      continue;
    }
    if (type === 'test:complete' && isFile(data.name, data.file)) {
      resultOf(file).seconds = data.details.duration_ms / 1000;
      continue;
    }
    if (type === 'test:start') suites[data.nesting] = data.name;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (current !== undefined && current !== file) yield lineOf(current);
    current = file;
    const result = resultOf(file);
    suites = suites.slice(0, data.nesting);
    const skip = data.skip ?? data.todo;
    if (skip !== undefined) {
      skips.push({
        file,
        name: data.name,
        reason: typeof skip === 'string' && skip ? skip : 'no reason given',
      });
      result.skipped += 1;
    } else if (type === 'test:fail') {
      const { error } = data.details;
      if ((error as { failureType?: string }).failureType === 'subtestsFailed') continue;
      const name = isFile(data.name, data.file) ? 'the file as a whole' : data.name;
      failures.push({ file, path: [...suites, name], error });
      result.failed.push(name);
    } else if (data.details.type !== 'suite') {
      passed += 1;
      result.passed += 1;
    }
  }
  if (current !== undefined) yield lineOf(current);
  if (failOnSkip && skips.length > 0) process.exitCode = 1;
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const outputs = new Map([...files].map(([file, { output }]) => [file, output]));
  const slowLeftOut = Number(process.env.SLOW_FILES_LEFT_OUT ?? 0);
  yield summarize({ passed, failures, skips, seconds, outputs, slowLeftOut, failOnSkip });
}

/** Whether an event is about the process of a test file, not a test in it. */
function isFile(name: string, file: string): boolean {
  return resolve(name) === file || name.endsWith('.test.js');
}
