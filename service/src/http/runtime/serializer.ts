import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';

type BuildSerializer = ReturnType<typeof SerializerSelector>;

/**
 * Fastify's own serializers, each compiled when it is first needed: a hundred routes and problems would otherwise take
 * half a second of every start, and most of them are never sent.
 */
export function lazySerializers(): BuildSerializer {
  const build = SerializerSelector();
  return (externalSchemas, options) => {
    const compile = build(externalSchemas, options);
    return (routeSchema) => {
      let serialize: ReturnType<typeof compile> | undefined;
      return (data: unknown) => {
        serialize ??= compile(routeSchema);
        return serialize(data);
      };
    };
  };
}
