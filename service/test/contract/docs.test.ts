import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import {
  CLI_CODES,
  EXIT,
  interrupted,
  noImages,
  notReadable,
  unexpectedAnswer,
  unreachable,
  usageError,
} from '../../src/cli/failure.ts';
import { configSchema } from '../../src/config/settings.ts';
import { ERROR_CODES } from '../../src/domain/errors.ts';
import { STATUS_OF } from '../../src/http/errors/status.ts';
import { root } from '../helpers/root.ts';
import { settingsTable } from '../helpers/settings-table.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'infra/README.md',
  'service/src/batch/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`),
];

/** The longest line of prose, in characters. Tables and code blocks may have longer ones. */
const MAX_LINE = 120;
const MAX_README_LINES = 200;

/** The page's lines outside of tables, code blocks and comments, each with its number. */
function proseOf(text: string): { readonly number: number; readonly line: string }[] {
  let isCode = false;
  return text.split('\n').flatMap((line, index) => {
    const isFence = /^ *```/.test(line);
    if (isFence) isCode = !isCode;
    return isCode || isFence || /^ *(\||<!--)/.test(line) ? [] : [{ number: index + 1, line }];
  });
}

/** The anchors that GitHub gives a page's headings. */
const anchorsOf = (text: string) =>
  proseOf(text).flatMap(({ line }) => {
    const [, title] = /^#+ (.*)/.exec(line) ?? [];
    return title === undefined
      ? []
      : [
          title
            .toLowerCase()
            .replace(/[^\p{L}\p{N} _-]/gu, '')
            .replaceAll(' ', '-'),
        ];
  });

describe('the documentation', () => {
  const errors = read('docs/errors.md');
  const sections = new Map(
    errors
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.split('\n', 1)[0] ?? '', section]),
  );

  it('has a paragraph for every error code, and no other', () => {
    assert.deepEqual([...sections.keys()].sort(), [...ERROR_CODES, ...CLI_CODES].sort());
    for (const [code, section] of sections) assert.ok(section.length > 60, `${code} says too little`);
  });

  it('gives each code the status that the service answers', () => {
    for (const code of ERROR_CODES) {
      if (code === 'INVALID_CONFIGURATION') continue; // The start stops: nobody is answered.
      assert.match(sections.get(code) ?? '', new RegExp(`^${code}\\n${STATUS_OF[code]}\\b`), code);
    }
  });

  it('gives each code of the command line the exit status that it ends with', () => {
    const made = [usageError, unreachable, unexpectedAnswer, notReadable, noImages].map((make) => make('x'));
    made.push(interrupted('x', EXIT.interrupted));
    assert.deepEqual(made.map(({ code }) => code).sort(), [...CLI_CODES].sort());
    for (const { code, exitStatus } of made) {
      assert.match(sections.get(code) ?? '', new RegExp(`^${code}\\nExit status ${exitStatus}\\b`), code);
    }
  });

  it('lists every setting in docs/configuration.md as the service knows it', () => {
    assert.ok(
      read('docs/configuration.md').includes(settingsTable(configSchema)),
      `docs/configuration.md must hold:\n${settingsTable(configSchema)}`,
    );
  });

  it('has lines of at most 120 characters outside tables and code blocks', () => {
    const long = pages.flatMap((page) =>
      proseOf(read(page))
        .filter(({ line }) => line.length > MAX_LINE)
        .map(({ number, line }) => `${page}:${number} has ${line.length} characters`),
    );
    assert.deepEqual(long, []);
  });

  it('has a README of at most 200 lines', () => {
    assert.ok(read('README.md').trimEnd().split('\n').length <= MAX_README_LINES);
  });

  it('has no link to a file that is not there', () => {
    for (const page of pages) {
      for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
        assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`);
      }
    }
  });

  it('has no link to a heading that is not there', () => {
    for (const page of pages) {
      for (const [, target = '', anchor = ''] of read(page).matchAll(
        /\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g,
      )) {
        const linked = target === '' ? page : join(dirname(page), target);
        if (linked.endsWith('.md'))
          assert.ok(anchorsOf(read(linked)).includes(anchor), `${page} links to ${linked}#${anchor}`);
      }
    }
  });

  it('names only npm scripts that there are', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    for (const page of pages) {
      for (const [, name = ''] of read(page).matchAll(/npm run (?:-s |--silent )?([a-z][\w:-]*)/g)) {
        assert.ok(name in scripts, `${page} says npm run ${name}`);
      }
    }
  });
});
