import { Type } from 'typebox';

/** Schema types of stack parameters, each with a default and a description. */

export const integer = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description });

export const flag = (fallback: boolean, description: string) =>
  Type.Boolean({ default: fallback, description });

export const oneOf = <const T extends readonly (string | number)[]>(
  values: T,
  fallback: T[number],
  description: string,
) =>
  Type.Unsafe<T[number]>({
    type: typeof fallback === 'number' ? 'number' : 'string',
    enum: [...values],
    default: fallback,
    description,
  });
