import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { workShard } from '../../src/batch/worker/shard.ts';
import { AppError, isAppError } from '../../src/domain/errors.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { contentOf, idleQueue, picture, tempBatch } from '../helpers/batch-fixture.ts';
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from '../helpers/fault-proxy.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

const program = await findVersitygw();
const skip = program ? false : VERSITYGW_MISSING;
let server: S3Server;
before(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x', AWS_REGION: 'us-east-1' });
  if (program) server = await startS3Server(program);
});
after(() => server?.close());

async function withProxy(
  faults: Omit<FaultProxyOptions, 'target'>,
  run: (endpoint: string, proxy: FaultProxy) => Promise<void>,
): Promise<void> {
  const proxy = await startFaultProxy({ target: server.endpoint, ...faults });
  try {
    await run(proxy.endpoint, proxy);
  } finally {
    await proxy.close();
  }
}

test('503s, resets, stalls and broken bodies are retried until the object is whole', {
  skip,
}, async () => {
  const faults = { unavailable: 0.1, reset: 0.05, stall: 0.05, truncate: 0.1, slow: 0.1 };
  await withProxy(faults, async (endpoint, proxy) => {
    const objects = createS3Store(server.bucket, { endpoint, idleTimeoutMs: 500, maxAttempts: 8 });
    const bodies = await Promise.all(Array.from({ length: 60 }, (_, n) => picture(n)));
    await Promise.all(bodies.map((body, n) => objects.put(`faults/${n}`, body)));
    const read = await Promise.all(bodies.map((_, n) => objects.get(`faults/${n}`)));
    for (const [n, body] of bodies.entries()) assert.ok(read[n]?.equals(body));
    assert.equal((await contentOf(objects, 'faults/')).size, 60);
    for (const name of Object.keys(faults)) assert.ok((proxy.faults[name] ?? 0) > 0, `no ${name} happened`);
  });
});

test('through a faulty store a shard ends with exactly the rows it has over a good one', {
  skip,
}, async () => {
  const good = createS3Store(server.bucket, server);
  for (let n = 0; n < 100; n++) await good.put(`input/${n}.png`, await picture(n));
  const classifier = byteClassifier();
  const work = async (jobId: string, objects: typeof good) => {
    const batch = tempBatch(objects, idleQueue(), { shardSize: 100, chunkSize: 10 });
    const source = { kind: 'prefix', prefix: 'input/' } as const;
    await batch.create({ jobId, origin: 'request', source, model: 'tiny', topK: 1 });
    const { readJob } = await import('../../src/batch/job-records.ts');
    const result = await workShard({
      objects,
      classifier,
      job: await readJob(objects, jobId),
      shard: 0,
      concurrency: 16,
      maxBytesInFlight: 1_000_000,
      maxImageBytes: 100_000,
      stop: new AbortController().signal,
      graceMs: 1000,
    });
    assert.deepEqual(result, {
      done: true,
      isPastDeadline: false,
      total: 100,
      succeeded: 100,
      failed: 0,
      skippedChunks: 0,
      rows: { OK: 100 },
    });
    return [...(await contentOf(good, `jobs/${jobId}/results/`)).values()];
  };
  const calm = await work('calm', good);
  await withProxy({ unavailable: 0.1, reset: 0.05, stall: 0.03, truncate: 0.05 }, async (endpoint) => {
    const faulty = createS3Store(server.bucket, { endpoint, idleTimeoutMs: 500, maxAttempts: 10 });
    assert.deepEqual(await work('faulty', faulty), calm);
  });
});

test('a store that stays unavailable is STORE_UNAVAILABLE after its retries', {
  skip,
}, async () => {
  for (const faults of [{ unavailable: 1 }, { reset: 1 }, { stall: 1 }] as const) {
    await withProxy(faults, async (endpoint) => {
      const good = createS3Store(server.bucket, server);
      await good.put('away/x', 'some bytes');
      const objects = createS3Store(server.bucket, { endpoint, idleTimeoutMs: 100, maxAttempts: 2 });
      const isAway = (error: unknown) =>
        isAppError(error, 'STORE_UNAVAILABLE') && !error.message.includes('\n');
      await assert.rejects(objects.get('away/x'), isAway, JSON.stringify(faults));
      if (!('stall' in faults)) await assert.rejects(objects.put('away/y', 'x'), isAway);
    });
  }
});

test('a missing bucket is named in the error', { skip }, async () => {
  const missing = createS3Store('no-such-bucket', server);
  await assert.rejects(
    missing.put('a', 'x'),
    (e) => isAppError(e, 'STORE_UNAVAILABLE') && /bucket does not exist/.test(e.message),
  );
});

test('keys in an encoded listing, as AWS sends them, are decoded', async () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>input/a+b%2Bc%25d%0A%01.jpg</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>3</Size></Contents><Contents><Key>input/%E6%97%A5</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;d-2&quot;</ETag><Size>0</Size></Contents></ListBucketResult>`;
  const aws = createServer((_, response) =>
    response.writeHead(200, { 'content-type': 'application/xml' }).end(xml),
  );
  await new Promise<void>((resolve) => aws.listen(0, '127.0.0.1', resolve));
  try {
    const objects = createS3Store('b', {
      endpoint: `http://127.0.0.1:${(aws.address() as AddressInfo).port}`,
    });
    const found = [];
    for await (const { key, etag, size } of objects.list('input/')) found.push([key, etag, size]);
    assert.deepEqual(found, [
      ['input/a b+c%d\n\u0001.jpg', 'abc', 3],
      ['input/日', 'd-2', 0],
    ]);
  } finally {
    aws.closeAllConnections();
    aws.close();
  }
});

test('of two conditional writes at the same time, the one that S3 answers with 409 is sent again', async () => {
  const statuses: number[] = [];
  const aws = createServer((request, response) => {
    request.resume().on('end', () => {
      // Documented for PutObject with If-None-Match; then the other write has won.
      const [status, code] =
        statuses.length < 2 ? [409, 'ConditionalRequestConflict'] : [412, 'PreconditionFailed'];
      statuses.push(status);
      const body = `<Error><Code>${code}</Code><Message>again</Message></Error>`;
      response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
    });
  });
  await new Promise<void>((resolve) => aws.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = aws.address() as AddressInfo;
    const objects = createS3Store('b', { endpoint: `http://127.0.0.1:${port}` });
    await assert.rejects(objects.put('a', 'x', { ifAbsent: true }), (e) => isAppError(e, 'CONFLICT'));
    assert.deepEqual(statuses, [409, 409, 412]);
  } finally {
    aws.closeAllConnections();
    aws.close();
  }
});

/** Names a picture by its bytes: here the store is under test, and any bit that is lost on the way would show. */
function byteClassifier() {
  const info = { name: 'bytes', version: '1' } as never;
  return {
    info,
    async classify(image: Uint8Array) {
      const index = image.reduce((sum, byte, i) => (sum * 31 + byte + i) % 65_521, 7);
      return {
        model: 'bytes',
        version: '1',
        predictions: [{ label: `class_${index}`, index, probability: 1 }],
        timing: { decodeMs: 0, queueMs: 0, inferenceMs: 0 },
      };
    },
    explain: async () => {
      throw new AppError('INTERNAL', 'not asked for here');
    },
    close: async () => {},
  };
}
