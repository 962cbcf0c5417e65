import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Cell, screenOf } from './screen.ts';
import { svgOf } from './svg.ts';

const textOf = (lines: readonly (readonly Cell[])[]) =>
  lines.map((line) => line.map(({ char }) => char).join(''));

describe('the picture of a terminal', () => {
  test('shows what is left after progress was drawn over and erased', () => {
    const drawn =
      'first\r\n\r\u001b[2K  ⠋ working 1 s\r\u001b[2K  ✓ done\r\n\u001b[?25lbar\u001b[2Gig\u001b[0K\r\n\r\n';
    assert.deepEqual(textOf(screenOf(drawn)), ['first', '  ✓ done', 'big']);
    assert.deepEqual(textOf(screenOf('a\u001b7\r\nb\u001b8c\nd\u001b[Ae')), ['ac e', 'b d']);
    assert.deepEqual(textOf(screenOf('a\r\nb\r\nc\u001b[2A\u001b[J')), ['a']);
  });

  test('keeps colours and weight to the characters that have them', () => {
    const [line] = screenOf('\u001b[32m●\u001b[39m \u001b[1mbold\u001b[22m \u001b[2mdim\u001b[0m x');
    assert.deepEqual(line?.[0], { char: '●', colour: 32 });
    assert.equal(line?.[2]?.isBold, true);
    assert.equal(line?.[7]?.isDim, true);
    assert.deepEqual(line?.at(-1), { char: 'x' });
  });

  test('is well-formed whatever was written, and each run of one look is one text', () => {
    const svg = svgOf(screenOf('a < b & "c" \u001b[36mhttp://localhost\u001b[39m'), 40, 'A "title" & more');
    assert.match(svg, /aria-label="A &quot;title&quot; &amp; more"/);
    assert.match(svg, />a &lt; b &amp; &quot;c&quot; <\/text>/);
    assert.match(svg, /fill="#5fd0c3">http:\/\/localhost<\/text>/);
    assert.equal(svg.match(/<text /g)?.length, 2);
  });
});
