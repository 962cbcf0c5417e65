import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request as forward, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import type { Batch } from '../../src/batch/batch.ts';
import { createServiceClient } from '../../src/cli/client/service-client.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { idleQueue, picture, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';
import { jsonLines, runCli } from './run-cli.ts';

/** As on Lambda. */
const LIMITS = { maxUploadBytes: 4_400_000, maxFormBytes: 4_400_000 };
const program = await findVersitygw();
const models = createGatedModels();
let folder: string;
let large: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-uploads-'));
  large = join(folder, 'large.png');
  // Noise does not compress: 5.1 MB.
  const raw = { width: 1300, height: 1300, channels: 3 } as const;
  await sharp(randomBytes(1300 * 1300 * 3), { raw })
    .png()
    .toFile(large);
  await writeFile(join(folder, 'small.png'), await picture(1));
});
after(async () => {
  await models.close();
  await rm(folder, { recursive: true, force: true });
});

describe('images over the limit of a request', { skip: program ? false : VERSITYGW_MISSING }, () => {
  let s3: S3Server;
  let proxy: Server;
  let batch: Batch;
  let server: TestApp;
  let env: Readonly<Record<string, string>>;
  /** Of the uploads that reached the store. */
  const uploads: IncomingHttpHeaders[] = [];
  let losesResponse = false;

  before(async () => {
    s3 = await startS3Server(program ?? '');
    const { hostname, port } = new URL(s3.endpoint);
    proxy = createServer((request, response) => {
      const { method, url: path, headers } = request;
      uploads.push(headers);
      const onward = forward({ hostname, port, method, path, headers }, (answer) => {
        if (losesResponse) {
          losesResponse = false;
          answer.resume().on('end', () => response.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
    const publicEndpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const objects = createS3Store(s3.bucket, { endpoint: s3.endpoint, publicEndpoint });
    batch = tempBatch(objects, idleQueue());
    server = await startApp({ models, objects, batch, env: { API_KEYS: 'secret' }, config: LIMITS });
    env = { ML_SERVERLESS_URL: server.url, ML_SERVERLESS_API_KEY: 'secret' };
  });
  after(async () => {
    await server?.close();
    await batch?.close();
    proxy?.closeAllConnections();
    proxy?.close();
    await s3?.close();
  });

  test('classify uploads them, without the API key, and gets the same classes', async () => {
    const { status, stdout, stderr } = await runCli(
      ['classify', large, join(folder, 'small.png'), '--json', '-k', '1'],
      { env },
    );
    assert.equal(status, 0, stderr + stdout);
    const [row, small] = jsonLines(stdout);
    assert.equal((row?.predictions as unknown[] | undefined)?.length, 1);
    assert.equal((small?.predictions as unknown[] | undefined)?.length, 1);
    assert.equal(uploads.length, 1);
    const [{ 'x-api-key': key, authorization, ...headers } = {}] = uploads;
    assert.deepEqual([key, authorization], [undefined, undefined]);
    assert.equal(headers['if-none-match'], '*');
  });

  test('a lost response to an upload is not a failure', async () => {
    uploads.length = 0;
    losesResponse = true;
    const image = new Uint8Array(await picture(2));
    const key = 'uploads/0123456789abcdef0123456789abcdef/a.png';
    const grant = { key, size: image.length, type: 'image/png', expiresInSeconds: 60 };
    const signed = await server.app.objects.uploads?.sign(grant);
    assert.ok(signed);
    const { signal } = new AbortController();
    const client = createServiceClient({ url: server.url, apiKey: 'secret', signal, hint: '' });
    await client.upload(signed.url, signed.headers, image);
    assert.equal(uploads.length, 2);
    assert.ok((await server.app.objects.get(key)).equals(image));
    // One that did not come from an earlier attempt is.
    await assert.rejects(client.upload(signed.url, signed.headers, image), /status 412/);
  });

  test('batch submit makes a job of them, beside that of the small ones', async () => {
    uploads.length = 0;
    const { status, stdout, stderr } = await runCli(['batch', 'submit', folder, '--json', '-k', '2'], {
      env,
    });
    assert.equal(status, 0, stderr);
    const jobs = jsonLines(stdout);
    assert.deepEqual(
      jobs.map(({ topK }) => topK),
      [2, 2],
    );
    const keys: string[] = [];
    for (const { jobId } of jobs) {
      const rows = (await server.app.objects.get(`jobs/${jobId}/shards/00000.jsonl`)).toString();
      keys.push(...jsonLines(rows).map(({ key }) => String(key)));
    }
    assert.equal(keys.length, 2);
    assert.match(keys[0] ?? '', /^jobs\/.*small\.png$/);
    assert.match(keys[1] ?? '', /^uploads\/[0-9a-f]{32}\/.*large\.png$/);
    assert.equal(uploads.length, 1);
  });
});

test('where uploads help nothing, the service refuses a large image in its own words', async () => {
  const objects = await tempStore();
  const server = await startApp({ models, objects, config: LIMITS });
  try {
    const env = { ML_SERVERLESS_URL: server.url };
    const { status, stdout } = await runCli(['classify', large, '--json'], { env });
    assert.equal(status, 1);
    const [row] = jsonLines(stdout);
    assert.equal((row?.error as { code?: string } | undefined)?.code, 'IMAGE_TOO_LARGE');
  } finally {
    await server.close();
    await objects.close();
  }
});
