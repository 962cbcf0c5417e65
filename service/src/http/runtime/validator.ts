import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { suggestName } from '../../domain/suggest.ts';

/** A finding of TypeBox, in the shape Fastify's error formatter takes (that of Ajv). */
interface Finding {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword?: string;
  /** Names of the members that the object has, if it has no others. */
  readonly known?: readonly string[];
}

/**
 * Checks each part of a request against its TypeBox schema. It converts only decimal integers of the query and the path;
 * `1e1`, `0x10`, ` 5` and `true` are not numbers. The routes themselves check bodies other than JSON.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart, ...rest }) => {
  const contentType = (rest as { contentType?: string }).contentType;
  if (httpPart === 'body' && contentType !== undefined && contentType !== 'application/json')
    return () => true;
  // Compiled on first use, to keep the start short.
  let check: ReturnType<typeof Compile> | undefined;
  const textual = httpPart === 'querystring' || httpPart === 'params';
  return (data: unknown) => {
    check ??= Compile(schema);
    const value = textual ? integersOf(schema, data) : data;
    if (check.Check(value)) return { value };
    const known = Object.keys((schema as { properties?: object }).properties ?? {});
    return { error: check.Errors(value).map((finding) => ({ ...finding, known })) as never };
  };
};

function integersOf(schema: TSchema, data: unknown): unknown {
  const properties = (schema as { properties?: Record<string, { type?: string }> }).properties ?? {};
  return Object.fromEntries(
    Object.entries((data ?? {}) as Record<string, unknown>).map(([name, value]) => {
      const isNumber = Object.hasOwn(properties, name) && properties[name]?.type === 'integer';
      return [
        name,
        isNumber && typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value,
      ];
    }),
  );
}

/** One line that names the part and the field: `query topK must be <= 100`, `query topk is unknown; did you mean "topK"?`. */
export function formatSchemaErrors(findings: readonly unknown[], part: string): Error {
  const { instancePath, keyword, message = 'is not valid', known = [] } = findings[0] as Finding;
  const where = [part === 'querystring' ? 'query' : part, instancePath.slice(1).replaceAll('/', '.')];
  // A closed object has the schema `false` for unknown members.
  const name = instancePath.slice(1);
  const hint = name.includes('/') ? '' : `; ${suggestName(name, known)}`;
  const what = keyword === 'boolean' ? `is unknown${hint}` : message;
  return new Error(`${where.filter(Boolean).join(' ')} ${what}`);
}
