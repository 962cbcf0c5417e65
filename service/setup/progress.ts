import cliProgress from 'cli-progress';
import picocolors from 'picocolors';

/** Width of the column that holds a step's name; service/setup/bootstrap/step.mjs uses the same. */
const NAME_WIDTH = 14;
const BAR_WIDTH = 24;

/** A step that is being done. Exactly one of `done` and `failed` ends it. */
export interface Step {
  /** @param at how much is done, in the unit that the step was started with */
  update(at: number): void;
  done(text: string): void;
  failed(): void;
}

/** What a step counts; bytes are printed as MB. */
export interface Amount {
  readonly total: number;
  readonly unit: 'bytes' | 'items';
}

/** Reports set-up: one live line a long step on a terminal, single lines elsewhere. */
export interface Progress {
  start(name: string, doing: string, amount?: Amount): Step;
  /** Something the reader should know, such as a fallback and what it costs. */
  notice(name: string, text: string): void;
  /** A finished state, e.g. "engine  TensorFlow 2.15.1". */
  ready(name: string, text: string): void;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

/** "9 s", "2 min 5 s"; nothing as long as it cannot be told. */
export function formatEta(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '';
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s left` : `${Math.floor(whole / 60)} min ${whole % 60} s left`;
}

/** "64.2 / 207.2 MB · 31 % · 5 s left": how far a step is, and when it should end at the rate so far. */
export function formatAmount(at: number, { total, unit }: Amount, elapsedSeconds: number): string {
  const share = total > 0 ? Math.min(1, at / total) : 0;
  const count = unit === 'bytes' ? `${megabytes(at)} / ${megabytes(total)} MB` : `${at} of ${total}`;
  const eta = share > 0.01 && share < 1 ? formatEta((elapsedSeconds * (1 - share)) / share) : '';
  return [count, `${Math.floor(share * 100)} %`, eta].filter(Boolean).join(' · ');
}

/**
 * @param stream where to write; stderr, so that the output of a command stays clean
 * @param useColours false honours NO_COLOR
 */
export function createProgress(stream: NodeJS.WriteStream, useColours: boolean): Progress {
  const live = Boolean(stream.isTTY);
  const colours = picocolors.createColors(live && useColours);
  const line = (mark: string, name: string, text: string) =>
    stream.write(live ? `  ${mark} ${name.padEnd(NAME_WIDTH)}${text}\n` : `${name}: ${text}\n`);

  const startLive = (
    name: string,
    doing: string,
    amount: Amount | undefined,
  ): Omit<Step, 'done' | 'failed'> & { stop(): void } => {
    const began = Date.now();
    const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';
    let at = 0;
    let frame = 0;
    const bar = new cliProgress.SingleBar({
      stream,
      // A timer of our own redraws, so that the spinner turns and the seconds run while nothing is reported.
      noTTYOutput: false,
      clearOnComplete: true,
      hideCursor: false,
      linewrap: false,
      barsize: BAR_WIDTH,
      barCompleteChar: '━',
      barIncompleteChar: '─',
      fps: 10,
      format: (options) => {
        const elapsed = (Date.now() - began) / 1000;
        const mark = colours.cyan(frames[frame++ % frames.length] ?? '');
        const start = `  ${mark} ${name.padEnd(NAME_WIDTH)}${doing}`;
        if (amount === undefined) return `${start} · ${elapsed.toFixed(1)} s`;
        const share = Math.min(1, at / Math.max(1, amount.total));
        const drawn = colours.cyan(cliProgress.Format.BarFormat(share, options));
        return `${start} ${drawn} ${formatAmount(at, amount, elapsed)}`;
      },
    });
    bar.start(Math.max(1, amount?.total ?? 1), 0);
    const timer = setInterval(() => bar.update(Math.min(at, bar.getTotal())), 100);
    timer.unref();
    return {
      update: (value) => {
        at = value;
      },
      stop: () => {
        clearInterval(timer);
        bar.stop();
      },
    };
  };

  return {
    start: (name, doing, amount) => {
      const began = Date.now();
      const seconds = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
      const shown = live ? startLive(name, doing, amount) : undefined;
      if (!shown) {
        const size = amount?.unit === 'bytes' ? ` (${megabytes(amount.total)} MB)` : '';
        line('', name, `${doing}${size}`);
      }
      return {
        update: (at) => shown?.update(at),
        done: (text) => {
          shown?.stop();
          line(colours.green('✓'), name, `${text} ${colours.dim(seconds())}`);
        },
        failed: () => {
          shown?.stop();
          line(colours.red('✗'), name, `${doing}: stopped after ${seconds()}`);
        },
      };
    },
    notice: (name, text) => void line(colours.yellow('!'), name, text),
    ready: (name, text) => void line(colours.green('✓'), name, text),
  };
}

/** Runs `work` as a step; `text` says what came of it. A failure ends the step and goes on to the caller. */
export async function withStep<T>(
  step: Step,
  text: (result: T) => string,
  work: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    step.failed();
    throw error;
  }
  step.done(text(result));
  return result;
}
