import cliProgress from 'cli-progress';
import { formatBytes, formatCount, formatDuration, formatNumber } from '../../domain/format.ts';
import type { Terminal } from './terminal.ts';

const BAR_WIDTH = 24;
/** A shorter step shows no bar, in milliseconds. */
const SHOW_AFTER_MS = 400;
const REDRAW_MS = 100;
/** Window of the rate, in milliseconds; a short one follows changes. */
const RATE_WINDOW_MS = 10_000;

/** A long step; `stop` removes its line from the screen. */
export interface Progress {
  /** @param at amount done, in the unit of `total` @param total if it has changed */
  update(at: number, total?: number): void;
  stop(): void;
}

export interface ProgressOptions {
  readonly doing: string;
  /** 0: unknown; elapsed time is shown instead of a bar. */
  readonly total: number;
  readonly unit: 'images' | 'bytes';
}

/** Count, rate and time left. */
function describeProgress(
  at: number,
  { total, unit }: Pick<ProgressOptions, 'total' | 'unit'>,
  perSecond: number,
): string {
  const amount =
    unit === 'bytes'
      ? `${formatBytes(at)} of ${formatBytes(total)}`
      : `${formatCount(at)} of ${formatCount(total)}`;
  if (!(perSecond > 0)) return amount;
  const rate = unit === 'bytes' ? `${formatBytes(Math.round(perSecond))}/s` : `${formatNumber(perSecond)}/s`;
  const left = at < total ? `${formatDuration((total - at) / perSecond)} left` : '';
  return [amount, rate, left].filter(Boolean).join(' · ');
}

/** A live line on stderr with bar, rate and time left; nothing if stderr is not a terminal. */
export function startProgress(
  { live, errColours }: Pick<Terminal, 'live' | 'errColours'>,
  options: ProgressOptions,
): Progress {
  if (!live) return { update: () => {}, stop: () => {} };
  const began = Date.now();
  let { total } = options;
  let at = 0;
  const samples: { at: number; time: number }[] = [];
  const rate = () => {
    const now = Date.now();
    samples.push({ at, time: now });
    while (samples.length > 2 && now - (samples[0]?.time ?? now) > RATE_WINDOW_MS) samples.shift();
    const [first] = samples;
    const elapsed = first ? now - first.time : 0;
    return first && elapsed > 0 ? ((at - first.at) / elapsed) * 1000 : 0;
  };
  const bar = new cliProgress.SingleBar({
    stream: live,
    clearOnComplete: true,
    hideCursor: false,
    linewrap: false,
    barsize: BAR_WIDTH,
    barCompleteChar: '━',
    barIncompleteChar: '─',
    // Redrawn by the timer below, so that the rate changes between updates.
    fps: 1000 / REDRAW_MS,
    format: (barOptions) => {
      if (total === 0)
        return `  ${options.doing} ${errColours.dim(formatDuration((Date.now() - began) / 1000))}`;
      const share = total > 0 ? Math.min(1, at / total) : 0;
      const drawn = errColours.cyan(cliProgress.Format.BarFormat(share, barOptions));
      return `  ${options.doing} ${drawn} ${describeProgress(at, { ...options, total }, rate())}`;
    },
  });
  let isShown = false;
  samples.push({ at: 0, time: began });
  const timer = setInterval(() => {
    if (Date.now() - began < SHOW_AFTER_MS) return;
    if (isShown) bar.update(at);
    else bar.start(Math.max(1, total), at);
    isShown = true;
  }, REDRAW_MS);
  timer.unref();
  return {
    update: (value, newTotal) => {
      at = value;
      if (newTotal !== undefined && newTotal !== total) {
        // What was done before the total was known is not part of the rate: a job may be half done when watched.
        if (total === 0) samples.splice(0, samples.length, { at, time: Date.now() });
        total = newTotal;
        if (isShown) bar.setTotal(Math.max(1, total));
      }
    },
    stop: () => {
      clearInterval(timer);
      if (isShown) bar.stop();
    },
  };
}
