import { Type } from 'typebox';

export const integer = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description });

export const optionalString = (description: string, pattern?: string) =>
  Type.Optional(Type.String({ minLength: 1, description, ...(pattern ? { pattern } : {}) }));

export const oneOf = <const T extends readonly string[]>(
  values: T,
  fallback: T[number],
  description: string,
) => Type.Unsafe<T[number]>({ type: 'string', enum: [...values], default: fallback, description });
