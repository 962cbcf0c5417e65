/** Arithmetic of a model: the values of PRECISION and of GET /models. */
export const PRECISIONS = ['float32', 'bfloat16', 'int8'] as const;
export type Precision = (typeof PRECISIONS)[number];
