import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FaultProxy {
  readonly endpoint: string;
  /** Number of requests that got each fault. */
  readonly faults: Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export interface FaultProxyOptions {
  readonly target: string;
  /** Fraction of the requests that get each fault, 0 to 1. */
  readonly unavailable?: number;
  readonly reset?: number;
  /** The response stalls after half of its body. */
  readonly stall?: number;
  /** The connection closes after half of the response's body. */
  readonly truncate?: number;
  /** The response comes in small pieces with pauses. */
  readonly slow?: number;
}

/** An HTTP proxy that injects faults into some requests, in a fixed pseudo-random order. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const faults: Record<string, number> = {};
  const target = new URL(options.target);
  let seed = 1;
  const draw = () => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return seed / 2 ** 32;
  };
  const choose = (): string | undefined => {
    let at = draw();
    for (const name of ['unavailable', 'reset', 'stall', 'truncate', 'slow'] as const) {
      at -= options[name] ?? 0;
      if (at < 0) return name;
    }
    return undefined;
  };
  const server = createServer((request, response) => {
    const fault = choose();
    if (fault) faults[fault] = (faults[fault] ?? 0) + 1;
    if (fault === 'unavailable') {
      request.resume();
      response.writeHead(503, { 'content-type': 'application/xml' });
      response.end(
        '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
      );
      return;
    }
    if (fault === 'reset') {
      request.socket.destroy();
      return;
    }
    const onward = forward(
      {
        host: target.hostname,
        port: target.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
      },
      (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => {
          const body = Buffer.concat(parts);
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          const half = body.subarray(0, Math.floor(body.length / 2));
          if (fault === 'stall' && body.length > 1) response.write(half);
          else if (fault === 'truncate' && body.length > 1) response.write(half, () => response.destroy());
          else if (fault === 'slow' && body.length > 8) {
            response.write(half);
            setTimeout(() => response.end(body.subarray(half.length)), 30);
          } else response.end(body);
        });
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
