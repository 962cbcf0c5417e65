import type { WorkerMessage } from './worker-process.ts';

/** Deaths while an input is the only one in work until it counts as a crasher; one may be due to a lack of memory. */
const DEATHS_OF_A_CRASHER = 2;
/** More crashers in a row, with no input done between them, count as a fault of the machine. */
const MAX_CRASHERS_IN_A_ROW = 16;

/** Infers from the deaths of a shard's workers which inputs cause them. */
export interface CrashRecord {
  /** Chunks whose inputs must be processed one at a time. */
  readonly careful: ReadonlySet<number>;
  /** Indexes in the shard of the inputs that get an error row. */
  readonly crashers: ReadonlySet<number>;
  onMessage(message: WorkerMessage): void;
  /** Records the death of the worker. @returns false if another worker would die as well */
  onDeath(): boolean;
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
    onMessage(message) {
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
    onDeath() {
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
