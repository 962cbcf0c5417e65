import type { WorkerMessage } from './worker-process.ts';

/** Times that an input must kill the process that works it alone. Once can be chance: the kernel was short of memory. */
const DEATHS_OF_A_CRASHER = 2;
/** After so many crashers without an input done between them, it is the machine that is at fault. */
const MAX_CRASHERS_IN_A_ROW = 16;

/** What the deaths of a shard's workers say about its inputs. */
export interface CrashRecord {
  /** Chunks whose inputs have to be worked one at a time. */
  readonly careful: ReadonlySet<number>;
  /** Indexes in the shard of the inputs that get an error row. */
  readonly crashers: ReadonlySet<number>;
  hear(message: WorkerMessage): void;
  /** To be called when the worker has died. @returns false if its death says nothing new: another worker would fare no better */
  died(): boolean;
}

export function createCrashRecord(): CrashRecord {
  const careful = new Set<number>();
  const crashers = new Set<number>();
  const deaths = new Map<number, number>();
  const open = new Set<number>();
  let alone: number | undefined;
  let inARow = 0;

  return {
    careful,
    crashers,
    hear(message) {
      if (message.kind === 'progress') inARow = 0;
      if (message.kind === 'alone') alone = message.input;
      if (message.kind === 'chunk') {
        if (message.open) open.add(message.chunk);
        else {
          open.delete(message.chunk);
          careful.delete(message.chunk);
        }
      }
    },
    died() {
      const suspects = [...open].filter((chunk) => !careful.has(chunk));
      const culprit = alone;
      open.clear();
      alone = undefined;
      for (const chunk of suspects) careful.add(chunk);
      if (culprit === undefined) return suspects.length > 0;
      const count = (deaths.get(culprit) ?? 0) + 1;
      deaths.set(culprit, count);
      if (count >= DEATHS_OF_A_CRASHER) {
        crashers.add(culprit);
        inARow += 1;
      }
      return inARow <= MAX_CRASHERS_IN_A_ROW;
    },
  };
}
