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

/** The strict policy with inline styles allowed, as Swagger UI has some. */
export const DOCS_CSP = policy({ ...DIRECTIVES, styleSrc: ["'self'", "'unsafe-inline'"] });

/** The strict policy, in which text cannot become markup or script either, for the page at /. */
export const PAGE_CSP = policy({
  ...DIRECTIVES,
  requireTrustedTypesFor: ["'script'"],
  trustedTypes: ["'none'"],
});

/** Security headers for every answer. Nothing is loaded from elsewhere, nothing may frame us. */
export const securityPlugin = fp(
  async (app) => {
    await app.register(helmet, {
      global: true,
      contentSecurityPolicy: { useDefaults: false, directives: DIRECTIVES },
      // Whoever ends TLS in front of us may serve more names than ours: not for subdomains. Browsers ignore it on http.
      strictTransportSecurity: { maxAge: 15_552_000, includeSubDomains: false },
    });
  },
  { name: 'security' },
);
