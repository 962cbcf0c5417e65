import { once } from 'node:events';
import picocolors from 'picocolors';

type Colours = ReturnType<typeof picocolors.createColors>;

/** Output of a command: results to `out`, everything else to `err`. */
export interface Terminal {
  /** Resolves when the stream can take more. */
  out(text: string | Uint8Array): Promise<void>;
  err(text: string): void;
  /** Colours of stdout; without effect if it is not a terminal, or with NO_COLOR. */
  readonly colours: Colours;
  readonly errColours: Colours;
  readonly isTerminal: boolean;
  /** stderr, for live progress; undefined if it is not a terminal. */
  readonly live: NodeJS.WriteStream | undefined;
  /** Width of stdout in columns; undefined if it is not a terminal. */
  readonly columns: number | undefined;
}

/** @param noColour the variable NO_COLOR is set (https://no-color.org) */
export function createTerminal(noColour: boolean): Terminal {
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // The reader has stopped (`| head`): no failure.
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  const isTerminal = stdout.isTTY === true;
  return {
    out: async (text) => {
      if (!stdout.write(text)) await once(stdout, 'drain');
    },
    err: (text) => void stderr.write(text),
    colours: picocolors.createColors(isTerminal && !noColour),
    errColours: picocolors.createColors(stderr.isTTY === true && !noColour),
    isTerminal,
    live: stderr.isTTY ? stderr : undefined,
    columns: isTerminal ? stdout.columns : undefined,
  };
}

/** Start of an error message: a cross on a terminal, else a word. */
export const failureMark = ({ live, errColours }: Terminal): string =>
  live ? errColours.red('  ✗') : 'error:';
