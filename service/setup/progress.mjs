import { styleText } from 'node:util';

// Plain JavaScript without dependencies: bootstrap.mjs shows its steps with it before anything is installed.

/**
 * A running step. Exactly one of `done` and `failed` ends it.
 *
 * @typedef {object} Step
 * @property {(at: number) => void} update how much is done, in the unit of the step's amount
 * @property {(text: string) => void} done
 * @property {() => void} failed
 */

/**
 * What a step counts; bytes are printed as MB.
 *
 * @typedef {{ readonly total: number, readonly unit: 'bytes' | 'items' }} Amount
 */

/**
 * Reports set-up: one live line per step on a terminal, plain lines elsewhere.
 *
 * @typedef {object} Progress
 * @property {(name: string, doing: string, amount?: Amount) => Step} start
 * @property {(name: string, text: string) => void} notice what the reader should know, such as a fallback
 * @property {(name: string, text: string) => void} ready a finished state, e.g. "engine  TensorFlow 2.15.1"
 */

const NAME_WIDTH = 14;
const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const SPINNER = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

const megabytes = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(1);

/** "9 s left", "2 min 5 s left"; empty if unknown. @param {number} seconds */
export function formatEta(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return '';
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s left` : `${Math.floor(whole / 60)} min ${whole % 60} s left`;
}

/**
 * "64.2 / 207.2 MB · 31 % · 5 s left".
 *
 * @param {number} at
 * @param {Amount} amount
 * @param {number} elapsedSeconds
 */
export function formatAmount(at, { total, unit }, elapsedSeconds) {
  const share = total > 0 ? Math.min(1, at / total) : 0;
  const count = unit === 'bytes' ? `${megabytes(at)} / ${megabytes(total)} MB` : `${at} of ${total}`;
  const eta = share > 0.01 && share < 1 ? formatEta((elapsedSeconds * (1 - share)) / share) : '';
  return [count, `${Math.floor(share * 100)} %`, eta].filter(Boolean).join(' · ');
}

/**
 * @param {NodeJS.WriteStream} stream stderr, so that the output of a command stays clean
 * @param {boolean} useColours false honours NO_COLOR
 * @returns {Progress}
 */
export function createProgress(stream = process.stderr, useColours = !process.env.NO_COLOR) {
  const live = Boolean(stream.isTTY);
  /** @type {(style: 'cyan' | 'dim' | 'green' | 'red' | 'yellow', text: string) => string} */
  const paint = (style, text) =>
    live && useColours ? styleText(style, text, { validateStream: false }) : text;
  /** @type {(mark: string, name: string, text: string) => void} */
  const line = (mark, name, text) => {
    stream.write(live ? `\r\x1b[2K  ${mark} ${name.padEnd(NAME_WIDTH)}${text}\n` : `${name}: ${text}\n`);
  };

  return {
    start(name, doing, amount) {
      const began = Date.now();
      const seconds = () => (Date.now() - began) / 1000;
      let at = 0;
      let frame = 0;
      const draw = () => {
        const mark = paint('cyan', SPINNER[frame++ % SPINNER.length] ?? '');
        const filled = amount && Math.round(BAR_WIDTH * Math.min(1, at / Math.max(1, amount.total)));
        const bar = filled === undefined ? '' : '━'.repeat(filled) + '─'.repeat(BAR_WIDTH - filled);
        const state = amount ? formatAmount(at, amount, seconds()) : `· ${seconds().toFixed(1)} s`;
        const text = [doing, paint('cyan', bar), state].filter(Boolean).join(' ');
        // Without line wrapping, so that a long line stays one line.
        stream.write(`\r\x1b[2K\x1b[?7l  ${mark} ${name.padEnd(NAME_WIDTH)}${text}\x1b[?7h`);
      };
      const timer = live ? setInterval(draw, REDRAW_MS).unref() : undefined;
      if (live) draw();
      else line('', name, amount?.unit === 'bytes' ? `${doing} (${megabytes(amount.total)} MB)` : doing);
      return {
        update(value) {
          at = value;
        },
        done(text) {
          clearInterval(timer);
          line(paint('green', '✓'), name, `${text} ${paint('dim', `${seconds().toFixed(1)} s`)}`);
        },
        failed() {
          clearInterval(timer);
          line(paint('red', '✗'), name, `${doing}: stopped after ${seconds().toFixed(1)} s`);
        },
      };
    },
    notice: (name, text) => line(paint('yellow', '!'), name, text),
    ready: (name, text) => line(paint('green', '✓'), name, text),
  };
}

/**
 * Runs `work` as a step; `text` describes the result. A failure ends the step and is thrown on.
 *
 * @template T
 * @param {Step} step
 * @param {(result: T) => string} text
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withStep(step, text, work) {
  let result;
  try {
    result = await work();
  } catch (error) {
    step.failed();
    throw error;
  }
  step.done(text(result));
  return result;
}
