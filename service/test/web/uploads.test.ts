import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import type { Batch } from '../../src/batch/batch.ts';
import { createS3Store } from '../../src/storage/s3/s3.ts';
import { idleQueue, picture, tempBatch } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';
import { until } from '../helpers/until.ts';
import { findVersitygw, type S3Server, startS3Server, VERSITYGW_MISSING } from '../helpers/versitygw.ts';
import { browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';

const program = await findVersitygw();
const missing = browserMissing || (program ? false : VERSITYGW_MISSING);

describe('pictures over the limit of a request', { skip: missing }, () => {
  const models = createGatedModels();
  let s3: S3Server;
  let batch: Batch;
  let server: TestApp;
  let browser: TestBrowser;
  let large: Buffer;

  before(async () => {
    s3 = await startS3Server(program ?? '', undefined, ['--cors-allow-origin', '*']);
    const { endpoint } = s3;
    const objects = createS3Store(s3.bucket, { endpoint, publicEndpoint: endpoint });
    batch = tempBatch(objects, idleQueue());
    const config = { maxUploadBytes: 40_000, maxFormBytes: 40_000 };
    server = await startApp({ models, objects, batch, env: { MAX_IMAGE_BYTES: '400000' }, config });
    browser = await openBrowser();
    const raw = { width: 200, height: 200, channels: 3 } as const;
    large = await sharp(randomBytes(200 * 200 * 3), { raw })
      .png()
      .toBuffer();
    assert.ok(large.length > 40_000);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await batch?.close();
    await s3?.close();
    await models.close();
  });

  test('the page uploads one to the store, once for its classes and its heat map', async () => {
    const page = await browser.open(server.url);
    await page.waitForSelector('#size-hint:has-text("up to 400 KB")');
    await page.setInputFiles('#file-one', { name: 'large.png', mimeType: 'image/png', buffer: large });
    await page.waitForSelector('.top-label');
    await page.click('.switch');
    await page.waitForSelector('#heat:not([hidden])');
    assert.equal(page.asked.filter((url) => url.startsWith(`${s3.endpoint}/`)).length, 1);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('the page makes a job of them, beside that of the small ones', async () => {
    const page = await browser.open(`${server.url}/#batch`);
    await page.setInputFiles('#file-many', [
      { name: 'large.png', mimeType: 'image/png', buffer: large },
      { name: 'small.png', mimeType: 'image/png', buffer: await picture(1) },
    ]);
    await page.click('button:has-text("Classify 2 pictures")');
    await page.waitForSelector('#job-view .badge');
    const jobIds = await until('the address of two jobs', async () => {
      const ids = /#batch\/(.+)$/.exec(page.url())?.[1]?.split(',') ?? [];
      return ids.length === 2 && ids;
    });
    const keys: string[] = [];
    for (const jobId of jobIds) {
      const shard = await server.app.objects.get(`jobs/${jobId}/shards/00000.jsonl`);
      keys.push(JSON.parse(shard.toString()).key);
    }
    assert.match(keys[0] ?? '', /^jobs\/.*small\.png$/);
    assert.match(keys[1] ?? '', /^uploads\/[0-9a-f]{32}\//);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
});
