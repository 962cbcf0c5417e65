import type { Precision } from './precision.ts';
import type { Task } from './task.ts';

/** A loaded model of any task, as GET /models shows it. */
export interface CommonModelInfo {
  readonly name: string;
  readonly version: string;
  readonly task: Task;
  readonly description: string;
  readonly licence: string;
  readonly engine: string;
  readonly precision: Precision;
  /** See EngineStatus.degraded. */
  readonly degraded?: string;
  readonly ready: boolean;
  /** One label per class; empty for a regression. */
  readonly labels: readonly string[];
  readonly metrics: Readonly<Record<string, number | string>>;
}
