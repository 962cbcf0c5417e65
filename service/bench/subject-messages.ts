/** To an engine under test, as a line of JSON on stdin: time `runs` batches of `size` after a warm-up batch. */
export interface Timing {
  readonly size: number;
  readonly runs: number;
}

/** From the engine, as a line of JSON on stdout. */
export interface Times {
  /** Duration of each batch. */
  readonly milliseconds: readonly number[];
  /** CPU time of all threads for all timed batches, in milliseconds. */
  readonly cpuMs: number;
}

/** Its first line, after its first answer. */
export interface Opened {
  /** The most probable class. */
  readonly index: number;
}
