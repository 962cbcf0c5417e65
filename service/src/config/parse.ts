import type { Static, TObject } from 'typebox';
import { Value } from 'typebox/value';
import { AppError } from '../domain/errors.ts';

/** Strict: a lenient conversion would turn "80.5" into 80 instead of reporting the wrong value. */
function isNumeral(value: string, type: string | undefined): boolean {
  if (type === 'integer') return /^-?\d+$/.test(value);
  return type === 'number' && /^-?\d+(\.\d+)?$/.test(value);
}

/** The variables of a schema, converted and with defaults. @throws AppError INVALID_CONFIGURATION */
export function parseEnvironment<const S extends TObject>(
  schema: S,
  environment: NodeJS.ProcessEnv,
): Static<S> {
  const given: Record<string, unknown> = {};
  for (const name of Object.keys(schema.properties)) {
    const value = environment[name];
    // Compose files and shells pass an unset variable as an empty one.
    if (value === undefined || value === '') continue;
    const { type } = schema.properties[name] as { type?: string };
    given[name] = isNumeral(value, type) ? Number(value) : value;
  }
  const candidate = Value.Default(schema, given);
  const [fault] = Value.Errors(schema, candidate);
  if (fault) {
    const [missing] = fault.keyword === 'required' ? fault.params.requiredProperties : [];
    const name = missing ?? fault.instancePath.slice(1);
    const description = (schema.properties as Record<string, { description?: string }>)[name]?.description;
    const hint = name === 'STORE' ? storeHint(environment[name]) : '';
    const rule =
      fault.keyword === 'enum' ? `must be one of ${fault.params.allowedValues.join(', ')}` : fault.message;
    throw new AppError(
      'INVALID_CONFIGURATION',
      `${missing ? `${name} is not set` : `${name}=${JSON.stringify(environment[name])} ${rule}`} (${description ?? 'unknown setting'})${hint}`,
    );
  }
  return candidate as Static<S>;
}

/** A directory without its scheme is the most common mistake. */
const storeHint = (value = '') =>
  /^[\w./~-]+$/.test(value)
    ? `; for a directory, set STORE=file:${value.startsWith('/') || value.startsWith('.') ? value : `./${value}`}`
    : '';
