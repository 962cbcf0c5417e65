import { spawn, spawnSync } from 'node:child_process';
import { freePort, untilAnswering } from './server-program.ts';

/** moto emulates the APIs of AWS, here SQS and Secrets Manager. */
export interface Moto {
  readonly endpoint: string;
  /** Calls an API of the JSON protocol, for example `AmazonSQS.SendMessage`. */
  call(target: string, body: object): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

export const MOTO_MISSING = "needs moto_server: pip install 'moto[server]'";

export const hasMoto = (): boolean => spawnSync('moto_server', ['--help']).status === 0;

export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  await untilAnswering(`${endpoint}/moto-api/`, child, () => 'no output captured');
  return {
    endpoint,
    async call(target, body) {
      const [service = ''] = target.split('.');
      const scope = `20261122/us-east-1/${service === 'AmazonSQS' ? 'sqs' : service}/aws4_request`;
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-amz-json-1.0',
          'x-amz-target': target,
          authorization: `AWS4-HMAC-SHA256 Credential=test/${scope}, SignedHeaders=host, Signature=none`,
        },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${target}: ${response.status} ${text}`);
      return text === '' ? {} : JSON.parse(text);
    },
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
    },
  };
}
