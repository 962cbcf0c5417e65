import type { Precision } from '../service/src/domain/precision.ts';
import { type Cpu, fastestPrecisions } from './cpu.ts';
import type { Manifest } from './manifest.ts';

/** Largest loss of int8 in top-1 and top-5 against float32 with which PRECISION=auto selects it. */
const MAX_LOSS = 0.005;

/** With fewer pictures, a loss of half a point cannot be measured. */
const MIN_IMAGES = 50;

/**
 * True if the manifest's evaluation has enough pictures and shows a loss of at most MAX_LOSS. One of fewer than 200 pictures
 * weighs more than that, so a difference of one picture is allowed.
 */
export function isInt8Accurate(manifest: Manifest): boolean {
  if (manifest.task !== 'image-classification' || !manifest.evaluation) return false;
  const { images, precisions } = manifest.evaluation;
  const { float32, int8 } = precisions;
  if (!float32 || !int8 || images < MIN_IMAGES) return false;
  const allowed = Math.max(MAX_LOSS, 1 / images) + ROUNDING;
  return float32.top1 - int8.top1 <= allowed && float32.top5 - int8.top5 <= allowed;
}

/** The manifest's shares have four decimals. */
const ROUNDING = 1e-4;

/** True for models that set-up compiles for each precision; all others run in float32. */
export const isCompiled = ({ engine, format }: Pick<Manifest, 'engine' | 'format'>): boolean =>
  engine === 'tensorflow' && format === 'tfjs-layers';

/**
 * Chooses the precision of all rows of a batch job, when the job is planned.
 *
 * @param setting PRECISION
 * @param cpu the CPU that all workers share; if undefined, workers may differ, and the precision is one that every x86-64
 *   CPU runs
 */
export function jobPrecision(
  manifest: Manifest,
  setting: Precision | 'auto',
  cpu: Cpu | undefined,
): Precision {
  if (!isCompiled(manifest)) return 'float32';
  if (setting !== 'auto') return setting;
  const int8 = isInt8Accurate(manifest);
  if (!cpu) return int8 ? 'int8' : 'float32';
  return fastestPrecisions(cpu, int8)[0] ?? 'float32';
}
