/** The parameters of the stack that concern the collector. */
interface CollectorParameters {
  readonly otlpEndpoint?: string;
  readonly network: string;
}

/** What functions and tasks are told of the collector; nothing when there is none, and tracing is off. */
export function tracingEnvironment({
  otlpEndpoint,
}: Pick<CollectorParameters, 'otlpEndpoint'>): Readonly<Record<string, string>> {
  return otlpEndpoint ? { OTEL_EXPORTER_OTLP_ENDPOINT: otlpEndpoint } : {};
}

/** The TCP port of the collector; undefined when there is none. */
export function collectorPort({
  otlpEndpoint,
}: Pick<CollectorParameters, 'otlpEndpoint'>): number | undefined {
  if (!otlpEndpoint) return undefined;
  const { port, protocol } = new URL(otlpEndpoint);
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/**
 * What is wrong with the address of the collector, or undefined. Unencrypted only where the traffic cannot leave the VPC; no user
 * or password, since the template and the functions' settings show it.
 */
export function collectorFault({ otlpEndpoint, network }: CollectorParameters): string | undefined {
  if (otlpEndpoint === undefined) return undefined;
  if (!URL.canParse(otlpEndpoint)) return 'not an address';
  const { protocol, username, password, port } = new URL(otlpEndpoint);
  if (username || password) return 'no user or password: they would be in the template';
  if (port === '0') return 'port 0 is none';
  if (protocol === 'http:' && network !== 'private') {
    return 'https:// only: traces would cross the internet in clear (with -c network=private http:// will do)';
  }
  return undefined;
}
