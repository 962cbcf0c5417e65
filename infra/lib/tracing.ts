/** Stack parameters of the collector. */
interface CollectorParameters {
  readonly otlpEndpoint?: string;
  readonly network: string;
}

/** Settings of functions and tasks for the collector; none if tracing is off. */
export function tracingEnvironment({
  otlpEndpoint,
}: Pick<CollectorParameters, 'otlpEndpoint'>): Readonly<Record<string, string>> {
  return otlpEndpoint ? { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint } : {};
}

/** The TCP port of the collector; undefined if tracing is off. */
export function collectorPort({
  otlpEndpoint,
}: Pick<CollectorParameters, 'otlpEndpoint'>): number | undefined {
  if (!otlpEndpoint) return undefined;
  const { port, protocol } = new URL(otlpEndpoint);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/**
 * An error message for an invalid collector address, or undefined. Plain HTTP is allowed only if the traffic stays in the
 * VPC. User and password are rejected: the template and the functions' settings would show them.
 */
export function collectorFault({ otlpEndpoint, network }: CollectorParameters): string | undefined {
  if (otlpEndpoint === undefined) return undefined;
  if (!URL.canParse(otlpEndpoint)) return 'not an address';
  const { protocol, username, password, port } = new URL(otlpEndpoint);
  if (username || password) return 'no user or password: the template would contain them';
  if (port === '0') return 'port 0 is none';
  if (protocol === 'http:' && network !== 'private') {
    return 'https:// only: traces would cross the internet unencrypted (http:// is allowed with -c network=private)';
  }
  return undefined;
}
