import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
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
import { configSchema } from '../../src/config.ts';
import { ERROR_CODES } from '../../src/domain/errors.ts';
import { STATUS_OF } from '../../src/http/status.ts';
import { settingsTable } from '../helpers/settings-table.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

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

  it('lists every setting in README as the service knows it', () => {
    assert.ok(
      read('README.md').includes(settingsTable(configSchema)),
      `README must hold:\n${settingsTable(configSchema)}`,
    );
  });

  it('has no link to a file that is not there', () => {
    for (const page of pages) {
      for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
        assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`);
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
