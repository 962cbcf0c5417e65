import type { Precision } from '../../service/src/domain/precision.ts';

/**
 * The compiled forms of a layers model. `float32-portable` uses only operations of every TensorFlow build, for CPUs without
 * oneDNN. The others use kernels of TensorFlow's oneDNN build for x86-64.
 */
export const VARIANTS = ['int8', 'bfloat16', 'float32', 'float32-portable'] as const;
export type Variant = (typeof VARIANTS)[number];

export const precisionOf = (variant: Variant): Precision =>
  variant === 'float32-portable' ? 'float32' : variant;
