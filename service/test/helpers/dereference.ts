type Node = Record<string, unknown>;

/**
 * Returns a copy of an OpenAPI document with every reference replaced by its component, and with only the components
 * that the routes themselves declare. References to schemas stay. Throws if a component is missing.
 */
export function dereference(document: unknown): unknown {
  const { components, ...rest } = document as Node & { components: Record<string, Node> };
  const { schemas, securitySchemes } = components;
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref } = value as Node;
    const [, kind = '', name = ''] =
      typeof $ref === 'string' ? (/^#\/components\/(\w+)\/(.+)$/.exec($ref) ?? []) : [];
    if (kind === '' || kind === 'schemas')
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, resolve(member)]));
    const component = components[kind]?.[name];
    if (component === undefined) throw new Error(`${$ref} is not in the document`);
    return resolve(component);
  };
  return { ...(resolve(rest) as Node), components: { schemas, securitySchemes } };
}
