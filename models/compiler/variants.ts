import type { Precision } from '../../service/src/domain/precision.ts';

/**
 * What a layers model is compiled to. `float32-portable` uses only operations that every build of TensorFlow has: it
 * serves where oneDNN is switched off or missing. The others use kernels of TensorFlow's oneDNN build for x86-64.
 */
export const VARIANTS = ['int8', 'bfloat16', 'float32', 'float32-portable'] as const;
export type Variant = (typeof VARIANTS)[number];

export const precisionOf = (variant: Variant): Precision =>
  variant === 'float32-portable' ? 'float32' : variant;
