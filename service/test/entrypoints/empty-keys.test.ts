import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { spawnServer } from '../helpers/server-process.ts';

/** AWS Secrets Manager, as far as the real SDK asks it here: GetSecretValue. */
describe('API keys in a secret', () => {
  let secret = '';
  const secretsManager = createServer((_request, response) => {
    response.setHeader('content-type', 'application/x-amz-json-1.1');
    response.end(JSON.stringify({ Name: 'keys', SecretString: secret }));
  });
  let endpoint = '';

  before(async () => {
    secretsManager.listen(0, '127.0.0.1');
    await once(secretsManager, 'listening');
    endpoint = `http://127.0.0.1:${(secretsManager.address() as AddressInfo).port}`;
  });
  after(() => secretsManager.close());

  test('a secret that holds no key stops the start', async () => {
    for (const value of [',', ' ', '\n', ' , ,']) {
      secret = value;
      const server = spawnServer({
        API_KEYS_SECRET_ARN: 'keys',
        AWS_ENDPOINT_URL_SECRETS_MANAGER: endpoint,
        AWS_REGION: 'us-east-1',
        AWS_ACCESS_KEY_ID: 'test',
        AWS_SECRET_ACCESS_KEY: 'test',
      });
      // If the server starts in spite of the empty secret, end it.
      server.url.then(
        () => server.child.kill('SIGKILL'),
        () => {},
      );
      assert.equal((await server.exit).code, 1);
      assert.match(server.stderr(), /^ml-serverless: the secret keys is set but holds no key; [^\n]+\n$/m);
    }
  });
});
