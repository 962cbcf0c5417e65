import { connect } from 'node:net';

/** A response read from a socket. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends raw bytes, for requests that no client library sends, and reads until the server closes the connection.
 *
 * @param pieces written one after another; the socket's writing side stays open
 */
export function rawRequest(port: number, ...pieces: readonly (string | Buffer)[]): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    const finish = () => {
      const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s);
      const [statusLine = '', ...lines] = head.split('\r\n');
      if (!statusLine) return reject(new Error('the connection closed without a response'));
      const headers = Object.fromEntries(
        lines.map((line) => [line.split(':', 1)[0]?.toLowerCase() ?? '', line.replace(/^[^:]*: */, '')]),
      );
      return resolve({ status: Number(statusLine.split(' ')[1]), headers, body });
    };
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', finish);
    socket.on('error', (error) => {
      if (text === '') reject(error);
    });
    for (const piece of pieces) socket.write(piece);
  });
}
