import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { until } from '../../helpers/until.ts';
import { type Answer, assertPumpkin } from './requests.ts';
import { requireImage, type Subject } from './subject.ts';

const LIMITS = ['-e', 'AWS_LAMBDA_FUNCTION_TIMEOUT=60', '-e', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE=3008'];

interface HttpResponse {
  readonly statusCode: number;
  readonly body: string;
}

/**
 * The modes that AWS Lambda runs, under AWS's runtime interface emulator.
 *
 * @param findEmulator returns the path of the emulator's program
 */
export function testLambda(subject: Subject, findEmulator: () => Promise<string>): void {
  const { containers, pumpkin } = subject;
  let emulator = '';

  /** The emulator is process 1 and starts the entrypoint as Lambda does: with AWS_LAMBDA_RUNTIME_API. */
  async function start(...words: string[]): Promise<(event: object) => Promise<unknown>> {
    const mount = ['-v', `${emulator}:/emulator:ro`, '--entrypoint', '/emulator', '--memory', '3008m'];
    const command = ['/usr/local/bin/tini', '-s', '--', '/app/docker/entrypoint', ...words];
    const { url, logs } = await containers.start('lambda', [...LIMITS, ...mount], command, {
      healthy: false,
    });
    await until('an answer of the emulator', () => fetch(url), 30_000);
    return async (event) => {
      const invocation = { method: 'POST', body: JSON.stringify(event) };
      const response = await fetch(`${url}/2015-03-31/functions/function/invocations`, invocation);
      const text = await response.text();
      try {
        return JSON.parse(text);
      } catch {
        return assert.fail(`the emulator answers ${text.slice(0, 200)}: ${(await logs()).slice(-600)}`);
      }
    };
  }

  describe('lambda', () => {
    before(async () => {
      await requireImage(subject)();
      emulator = await findEmulator();
    });

    it('is the default mode on Lambda, and answers an event of API Gateway', async () => {
      const invoke = await start();
      const event = httpEvent('POST', '/predict', { 'content-type': 'image/jpeg' });
      const body = { body: pumpkin.toString('base64'), isBase64Encoded: true };
      const answer = (await invoke({ ...event, ...body })) as HttpResponse;
      assert.equal(answer.statusCode, 200, JSON.stringify(answer).slice(0, 300));
      assertPumpkin(JSON.parse(answer.body) as Answer);
      const ready = (await invoke(httpEvent('GET', '/health/ready', {}))) as HttpResponse;
      assert.equal(ready.statusCode, 200, JSON.stringify(ready).slice(0, 300));
    });

    it('answers an event of the queue in dispatcher mode', async () => {
      const invoke = await start('dispatcher');
      assert.deepEqual(await invoke({ Records: [] }), { batchItemFailures: [] });
    });

    it('says that it needs the emulator outside of Lambda', async () => {
      const { stderr } = await containers.once('nolambda', [], ['lambda'], { statuses: [64] });
      assert.match(stderr, /emulator/);
    });
  });
}

/** An event of API Gateway's HTTP API, payload 2.0. */
const httpEvent = (method: string, path: string, headers: Record<string, string>) => ({
  version: '2.0',
  routeKey: '$default',
  rawPath: path,
  rawQueryString: '',
  headers,
  requestContext: {
    http: { method, path, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
    requestId: 'test',
    stage: '$default',
  },
});
