/** To an engine under test, a line of JSON on its standard input: time `runs` batches of `size` after one that is not timed. */
export interface Timing {
  readonly size: number;
  readonly runs: number;
}

/** From it, a line of JSON on its standard output. */
export interface Times {
  /** Duration of each batch. */
  readonly milliseconds: readonly number[];
  /** CPU time of all threads for all timed batches, in milliseconds. */
  readonly cpuMs: number;
}

/** Its first line, once it has answered the first picture. */
export interface Opened {
  /** The most probable class. */
  readonly index: number;
}
