import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyse } from 'scslre';
import { regexesIn, regexesOf } from '../helpers/regexes.ts';
import { root } from '../helpers/root.ts';

/** Why a regular expression takes more than linear time on some input; empty when it does not. */
const faultsOf = ({ source, flags }: { source: string; flags: string }) =>
  analyse({ source, flags }, { reportTypes: { Move: true } }).reports.map(
    ({ type, character }) => `${type} of ${character.literal.source}`,
  );

test('no regular expression of the program takes quadratic time on any input', () => {
  const regexes = regexesOf(root);
  assert.ok(regexes.length > 80, `only ${regexes.length} were found`);
  const slow = regexes.flatMap((regex) =>
    faultsOf(regex).map((fault) => `${regex.files.join(', ')}: /${regex.source}/: ${fault}`),
  );
  assert.deepEqual(slow, []);
});

test('the check finds what it is for: trades, repeated starts and schema patterns', () => {
  const text = String.raw`
    const number = /^\d+\.?\d*$/;
    const slashes = text.replace(/\/+$/, '');
    const schema = { type: 'string', pattern: '^(a+)+$' };`;
  assert.deepEqual(
    [...regexesIn(text)].map((regex) => faultsOf(regex).length > 0),
    [true, true, true],
  );
});
