/** A command of a page, as a reader would type it. */
export interface Command {
  /** Where it stands, e.g. `docs/batch.md:11`. */
  readonly at: string;
  readonly line: string;
  /** The second word of its fence, e.g. `aws`: why it is not run here. Renderers show the block as if it were not there. */
  readonly mark: string | undefined;
  /** What the page shows as its output: the JSON block right behind it. */
  readonly shown: string | undefined;
}

const FENCE = /^( *)(`{3,})(.*)$/;
/** Names under which a block of shell commands could hide from this reader. */
const SHELLS = /^(bash|shell|zsh|console|shellsession|terminal)$/i;

interface Block {
  readonly first: number;
  readonly language: string;
  readonly mark: string | undefined;
  readonly lines: readonly string[];
}

/**
 * The commands of a page of Markdown: one for each line of its ```sh blocks; lines that end in a backslash are joined, comments left out.
 *
 * @throws Error for shell blocks of another name, and for commands in indented blocks, which would be overlooked
 */
export function commandsOf(page: string, text: string): Command[] {
  const { blocks, outside } = split(text);
  for (const { first, language } of blocks) {
    if (SHELLS.test(language)) throw new Error(`${page}:${first}: call this block sh`);
  }
  const hidden = outside.find(({ line }) =>
    /^ {4,}(\$ |curl |npm |npx |node |docker |aws |java )/.test(line),
  );
  if (hidden) throw new Error(`${page}:${hidden.number}: put this command into a \`\`\`sh block`);
  return blocks.flatMap((block, index) => {
    if (block.language !== 'sh') return [];
    const commands = linesOf(page, block);
    const next = blocks[index + 1];
    const end = block.first + block.lines.length + 1;
    const isShown =
      next?.language === 'json' && between(outside, end, next.first).every((line) => line === '');
    const last = commands.at(-1);
    if (isShown && last) commands[commands.length - 1] = { ...last, shown: next.lines.join('\n') };
    return commands;
  });
}

function linesOf(page: string, { first, mark, lines }: Block): Command[] {
  const commands: Command[] = [];
  let begun = '';
  for (const [index, line] of lines.entries()) {
    const whole = begun + line.trim();
    if (whole.endsWith('\\')) {
      begun = whole.slice(0, -1);
      continue;
    }
    begun = '';
    if (whole === '' || whole.startsWith('#')) continue;
    commands.push({ at: `${page}:${first + 1 + index}`, line: whole, mark, shown: undefined });
  }
  return commands;
}

interface Line {
  readonly number: number;
  readonly line: string;
}

const between = (lines: readonly Line[], from: number, to: number) =>
  lines.filter(({ number }) => number > from && number < to).map(({ line }) => line.trim());

/** Blocks between fences with the number of their first fence, and the lines outside of them. */
function split(text: string): { blocks: Block[]; outside: Line[] } {
  const blocks: Block[] = [];
  const outside: Line[] = [];
  let open: { first: number; fence: string; words: string[]; lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, , fence = '', info = ''] = FENCE.exec(line) ?? [];
    if (open) {
      if (fence.length >= open.fence.length && info.trim() === '') {
        const [language = '', mark] = open.words;
        blocks.push({ first: open.first, language, mark, lines: open.lines });
        open = undefined;
      } else open.lines.push(line);
    } else if (fence) open = { first: index + 1, fence, words: info.trim().split(/\s+/), lines: [] };
    else outside.push({ number: index + 1, line });
  }
  return { blocks, outside };
}
