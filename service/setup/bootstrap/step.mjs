const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
/** Width of the column that holds a step's name; service/setup/progress.ts uses the same. */
const NAME_WIDTH = 14;

/**
 * One step of set-up on stderr: a live line on a terminal, else one line at the start and one at the end.
 *
 * @param {string} name what is being made ready, e.g. "dependencies"
 * @param {string} doing what is being done, e.g. "npm ci: node_modules is missing"
 */
export function startStep(name, doing, stream = process.stderr) {
  const live = Boolean(stream.isTTY);
  const paint = (code, text) => (live && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[39;22m` : text);
  const began = Date.now();
  const seconds = () => ((Date.now() - began) / 1000).toFixed(1);
  let detail = '';
  let frame = 0;
  let timer;
  if (live) {
    const draw = () => {
      const mark = paint(36, SPINNER[frame++ % SPINNER.length]);
      const text = `${name.padEnd(NAME_WIDTH)}${doing}${detail && ` · ${detail}`} · ${seconds()} s`;
      stream.write(`\r\x1b[2K  ${mark} ${text.slice(0, (stream.columns || 80) - 5)}`);
    };
    draw();
    timer = setInterval(draw, 100);
    timer.unref();
  } else {
    stream.write(`${name}: ${doing}\n`);
  }
  const end = (mark, text) => {
    clearInterval(timer);
    if (live) stream.write(`\r\x1b[2K  ${mark} ${name.padEnd(NAME_WIDTH)}${text}\n`);
    else stream.write(`${name}: ${text}\n`);
  };
  return {
    update(text) {
      detail = text;
    },
    done(text) {
      end(paint(32, '✓'), `${text} ${paint(2, `${seconds()} s`)}`);
    },
    failed() {
      end(paint(31, '✗'), `stopped after ${seconds()} s`);
    },
  };
}
