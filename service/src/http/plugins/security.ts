import helmet from '@fastify/helmet';
import fp from 'fastify-plugin';

const DIRECTIVES = {
  defaultSrc: ["'self'"],
  baseUri: ["'none'"],
  connectSrc: ["'self'"],
  fontSrc: ["'self'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
  imgSrc: ["'self'", 'data:', 'blob:'],
  objectSrc: ["'none'"],
  scriptSrc: ["'self'"],
  scriptSrcAttr: ["'none'"],
  styleSrc: ["'self'"],
};

const policy = (directives: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(directives)
    .map(([name, sources]) => `${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} ${sources.join(' ')}`)
    .join('; ');

/** The strict policy with inline styles, which Swagger UI needs. */
export const DOCS_CSP = policy({ ...DIRECTIVES, styleSrc: ["'self'", "'unsafe-inline'"] });

/**
 * The policy of the page at /: strict, and text cannot become markup or script.
 *
 * @param uploadOrigin where the page may send images besides this service
 */
export const pagePolicy = (uploadOrigin?: string) =>
  policy({
    ...DIRECTIVES,
    connectSrc: [...DIRECTIVES.connectSrc, ...(uploadOrigin === undefined ? [] : [uploadOrigin])],
    requireTrustedTypesFor: ["'script'"],
    trustedTypes: ["'none'"],
  });

/** Security headers for every response: no foreign resources, no framing. */
export const securityPlugin = fp(
  async (app) => {
    await app.register(helmet, {
      global: true,
      contentSecurityPolicy: { useDefaults: false, directives: DIRECTIVES },
      // Not for subdomains: the proxy that ends TLS may serve other names. Browsers ignore the header over HTTP.
      strictTransportSecurity: { maxAge: 15_552_000, includeSubDomains: false },
    });
  },
  { name: 'security' },
);
