import assert from 'node:assert/strict';
import { after, before, describe, mock, test } from 'node:test';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { contentOf, idleQueue, picture, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';

interface Upload {
  readonly key: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expiresAt: string;
}

const program = await findVersitygw();
let s3: S3Server | undefined;
before(async () => {
  if (program) s3 = await startS3Server(program);
});
after(() => s3?.close());

const s3Store = async (isPublic: boolean) => {
  const { endpoint = '', bucket = '' } = s3 ?? {};
  const store = createS3Store(bucket, { endpoint, ...(isPublic ? { publicEndpoint: endpoint } : {}) });
  return Object.assign(store, { close: async () => {} });
};

type Store = ObjectStore & { close(): Promise<void> };
const STORES: readonly [name: string, open: () => Promise<Store>, needsS3: boolean][] = [
  ['a folder, through the service', tempStore, false],
  ['S3, through the service', () => s3Store(false), true],
  ['S3, directly', () => s3Store(true), true],
];

/** The URL with a grant that was changed: of the service's token, or of the query or path of a presigned URL. */
const withOther = {
  key: (url: string) =>
    forge(url, (grant) => ({ ...grant, key: 'input/a.png' }), [/uploads\/[0-9a-f]+/, 'input']),
  size: (url: string) => forge(url, (grant) => ({ ...grant, size: 9_999 }), [/content-length%3B/, '']),
  expiry: (url: string) =>
    forge(url, (grant) => ({ ...grant, expiresAt: 9e15 }), [/Expires=\d+/, 'Expires=86400']),
  signature: (url: string) => url.slice(0, -40),
};

function forge(url: string, change: (grant: object) => object, [from, to]: [RegExp, string]): string {
  const [, payload = '', signature] = /token=([^.]+)\.(.+)$/.exec(url) ?? [];
  if (signature === undefined) {
    const forged = url.replace(from, to);
    assert.notEqual(forged, url);
    return forged;
  }
  const grant = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forged = Buffer.from(JSON.stringify(change(grant))).toString('base64url');
  return `/uploads?token=${forged}.${signature}`;
}

for (const [name, open, needsS3] of STORES) {
  describe(`uploads to ${name}`, { skip: needsS3 && !program ? VERSITYGW_MISSING : false }, () => {
    const models = createGatedModels();
    const queue = idleQueue();
    let store: Store;
    let server: TestApp;
    let image: Buffer;

    before(async () => {
      store = await open();
      const batch = tempBatch(store, queue);
      server = await startApp({
        models,
        objects: store,
        batch,
        env: { API_KEYS: 'secret', MAX_IMAGE_BYTES: '100000' },
      });
      image = await picture(1);
    });
    after(async () => {
      await server.close();
      await models.close();
      await store.close();
    });

    const post = (path: string, body: object) => server.http.post(path).set('x-api-key', 'secret').send(body);
    async function request(body: object = {}): Promise<Upload> {
      const response = await post('/uploads', {
        size: image.length,
        type: 'image/png',
        name: 'cat.png',
        ...body,
      });
      assert.equal(response.status, 201, response.text);
      return response.body;
    }
    /** As any client would, without the API key. */
    async function put(
      url: string,
      body: Uint8Array,
      headers: Readonly<Record<string, string>>,
    ): Promise<number> {
      const target = new URL(url, server.url);
      const response = await fetch(target, { method: 'PUT', headers, body: new Uint8Array(body) });
      await response.arrayBuffer();
      return response.status;
    }
    const stored = async () => [
      ...(await contentOf(store, 'uploads/')).keys(),
      ...(await contentOf(store, 'input/')).keys(),
    ];

    test('a URL takes the image, and its key is good for /predict and /batch', async () => {
      const { url, headers, key, expiresAt } = await request({ name: 'cats/ü 1+1%.png' });
      assert.match(key, /^uploads\/[0-9a-f]{32}\/cats\/ü 1\+1%\.png$/);
      assert.ok(Date.parse(expiresAt) > Date.now());
      assert.equal((await post('/predict', { object: key })).body.code, 'OBJECT_NOT_FOUND');
      assert.equal(await put(url, image, headers), 200);
      const direct = await post('/predict', { image: image.toString('base64') });
      const byKey = await post('/predict', { object: key });
      assert.equal(byKey.status, 200);
      assert.deepEqual(byKey.body.predictions, direct.body.predictions);
      const job = await post('/batch', { objects: [key] });
      assert.equal(job.status, 202, job.text);
      const shard = await store.get(`jobs/${job.body.jobId}/shards/00000.jsonl`);
      assert.equal(JSON.parse(shard.toString()).key, key);
      await store.delete(key);
    });

    test('a URL works once: a second upload changes nothing', async () => {
      const { url, headers, key } = await request();
      assert.equal(await put(url, image, headers), 200);
      const other = Buffer.alloc(image.length, 1);
      assert.ok([409, 412].includes(await put(url, other, headers)));
      const { 'if-none-match': _, ...unconditional } = headers;
      assert.ok([403, 409].includes(await put(url, other, unconditional)));
      assert.ok((await store.get(key)).equals(image));
      await store.delete(key);
    });

    test('of two uploads at the same time, one succeeds', async () => {
      const { url, headers, key } = await request();
      const statuses = await Promise.all([put(url, image, headers), put(url, image, headers)]);
      assert.deepEqual(
        statuses.filter((status) => status === 200),
        [200],
        statuses.join(),
      );
      await store.delete(key);
    });

    test('another size or type than the granted one is refused, and nothing is stored', async () => {
      const { url, headers } = await request();
      assert.equal(await put(url, Buffer.concat([image, image]), headers), 403);
      assert.equal(await put(url, image.subarray(1), headers), 403);
      assert.equal(await put(url, Buffer.alloc(0), headers), 403);
      assert.equal(await put(url, image, { ...headers, 'content-type': 'text/html' }), 403);
      assert.equal(await put(url, image, { ...headers, 'content-type': 'image/jpeg' }), 403);
      assert.deepEqual(await stored(), []);
    });

    test('a changed key, size, expiry or signature is refused, and nothing is stored', async () => {
      const { url, headers } = await request();
      for (const [what, change] of Object.entries(withOther))
        assert.equal(await put(change(url), image, headers), 403, what);
      assert.deepEqual(await stored(), []);
    });

    test('a path out of the upload, a wrong type and an image over the limit get no URL', async () => {
      for (const bad of [
        '../a.png',
        'a/../../b.png',
        '/etc/passwd',
        'C:\\a.png',
        'a//b',
        'a\\..\\b',
        '.',
        'a\0b',
      ]) {
        const { status, body } = await post('/uploads', { size: 1, name: bad });
        assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST'], bad);
      }
      for (const bad of [
        { type: 'text/html' },
        { type: 'image/svg+xml' },
        { size: 0 },
        { size: 1.5 },
        { size: '1' },
      ])
        assert.equal((await post('/uploads', { size: 1, ...bad })).status, 400, JSON.stringify(bad));
      const { status, body } = await post('/uploads', { size: 100_001 });
      assert.deepEqual([status, body.code], [413, 'IMAGE_TOO_LARGE']);
      assert.match(body.detail, /100000 bytes/);
    });

    test('a URL needs an API key, and reads nothing', async () => {
      const { status, body } = await server.http.post('/uploads').send({ size: 1 });
      assert.deepEqual([status, body.code], [401, 'UNAUTHORIZED']);
      const { url, headers, key } = await request();
      assert.equal(await put(url, image, headers), 200);
      const { status: read } = await fetch(new URL(url, server.url));
      assert.ok([403, 405].includes(read), String(read));
      await store.delete(key);
    });
  });
}

describe('URLs of the service', () => {
  const models = createGatedModels();
  const apps: TestApp[] = [];
  let store: Store;
  let server: TestApp;
  before(async () => {
    store = await tempStore();
    for (let n = 0; n < 2; n++) apps.push(await startApp({ models, objects: store }));
    server = apps[0] as TestApp;
  });
  after(async () => {
    for (const app of apps) await app.close();
    await models.close();
    await store.close();
  });

  const request = async () => (await server.http.post('/uploads').send({ size: 1 })).body as Upload;
  async function put(url: string, app = server) {
    const headers = { 'content-type': 'application/octet-stream' };
    const response = await fetch(new URL(url, app.url), { method: 'PUT', headers, body: 'x' });
    return { status: response.status, problem: (await response.text()) || '{}' };
  }

  test('expire', async () => {
    const { url, expiresAt } = await request();
    mock.timers.enable({ apis: ['Date'], now: Date.parse(expiresAt) });
    try {
      const { status, problem } = await put(url);
      assert.deepEqual([status, JSON.parse(problem).code], [403, 'UPLOAD_NOT_ALLOWED']);
      assert.match(problem, /expired/);
    } finally {
      mock.timers.reset();
    }
    assert.equal((await put(url)).status, 200);
  });

  test('are good in the process that issued them, and only there', async () => {
    const { url } = await request();
    assert.equal((await put(url, apps[1])).status, 403);
    for (const bad of [
      '/uploads',
      '/uploads?token=',
      '/uploads?token=a&token=b',
      '/uploads?token=.',
      `${url}x`,
    ]) {
      const { status, problem } = await put(bad);
      assert.deepEqual([status, JSON.parse(problem).code], [403, 'UPLOAD_NOT_ALLOWED'], bad);
    }
    assert.equal((await put(url)).status, 200);
  });

  test('are not in the log', async () => {
    const { url } = await request();
    await put(url);
    assert.ok(server.log().includes('"/uploads"'));
    assert.ok(!server.log().includes(url.slice('/uploads?token='.length)));
  });
});

test('without a store there are no uploads', async () => {
  const models = createGatedModels();
  const server = await startApp({ models });
  try {
    const { status, body } = await server.http.post('/uploads').send({ size: 1 });
    assert.deepEqual([status, body.code], [400, 'INVALID_REQUEST']);
  } finally {
    await server.close();
    await models.close();
  }
});

test('a presigned URL of S3 expires', { skip: program ? false : VERSITYGW_MISSING }, async () => {
  const store = await s3Store(true);
  const key = 'uploads/0123456789abcdef0123456789abcdef/a.png';
  const signed = await store.uploads?.sign({ key, size: 1, type: 'image/png', expiresInSeconds: 1 });
  assert.ok(signed);
  await new Promise((done) => setTimeout(done, 2_100));
  const response = await fetch(signed.url, { method: 'PUT', headers: signed.headers, body: 'x' });
  assert.equal(response.status, 403);
  await assert.rejects(store.head(key));
});
