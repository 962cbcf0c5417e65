import { SerializerSelector } from '@fastify/fast-json-stringify-compiler';

type BuildSerializer = ReturnType<typeof SerializerSelector>;

/**
 * Fastify's own serializers, compiled on first use: compiling all of them adds half a second to every start, and most
 * are never used.
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
