import type { Precision } from '../service/src/domain/precision.ts';
import { type Cpu, fastestPrecisions } from './cpu.ts';
import type { Manifest } from './manifest.ts';

/** The most that int8 may lose in top-1 and top-5 against float32 for PRECISION=auto to take it. */
const MAX_LOSS = 0.005;

/** Fewer pictures say nothing about a loss of half a point. */
const MIN_IMAGES = 50;

/**
 * True when the manifest's own evaluation has enough pictures and shows a loss of at most MAX_LOSS. With fewer than 200
 * pictures a single one weighs more than that, so a difference of one picture is allowed.
 */
export function isInt8Accurate(manifest: Manifest): boolean {
  if (manifest.task !== 'image-classification' || !manifest.evaluation) return false;
  const { images, precisions } = manifest.evaluation;
  const { float32, int8 } = precisions;
  if (!float32 || !int8 || images < MIN_IMAGES) return false;
  const allowed = Math.max(MAX_LOSS, 1 / images) + ROUNDING;
  return float32.top1 - int8.top1 <= allowed && float32.top5 - int8.top5 <= allowed;
}

/** The manifest's shares have four digits. */
const ROUNDING = 1e-4;

/** True for models that are compiled, and so have a choice of precisions; all others run in float32. */
export const isCompiled = ({ engine, format }: Pick<Manifest, 'engine' | 'format'>): boolean =>
  engine === 'tensorflow' && format === 'tfjs-layers';

/**
 * The precision of every row of a batch job, decided when the job is planned.
 *
 * @param setting PRECISION
 * @param cpu the CPU that all workers share; undefined where each may get another one: then a precision that every
 *   x86-64 CPU runs
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
