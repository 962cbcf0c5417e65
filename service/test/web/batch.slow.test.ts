import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { idleQueue, tempBatch, tempStore } from '../helpers/batch-fixture.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { type ServerProcess, spawnServer } from '../helpers/server-process.ts';
import { startApp } from '../helpers/test-app.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';
import { auditPage, browserMissing, openBrowser, type TestBrowser } from './support/browser.ts';
import { dropFiles } from './support/drop.ts';

/** Enough work that the worker is still running when the test stops it after its first results. */
const PICTURES = 40;

interface Row {
  readonly key: string;
  readonly predictions?: readonly { label: string; probability: number }[];
  readonly error?: { code: string; message: string };
}

describe('the batch tab', { skip: browserMissing }, () => {
  let browser: TestBrowser;
  let tiny: TinyModel;
  let server: ServerProcess;
  let url: string;
  let folder: string;

  before(async () => {
    tiny = await makeTinyModel();
    folder = await mkdtemp(join(tmpdir(), 'page-batch-'));
    const large = await picture(2400, 1600, 'png');
    for (const name of ['cats', 'dogs']) {
      await mkdir(join(folder, 'pets', name), { recursive: true });
      for (let n = 0; n < PICTURES / 2; n++) {
        const background = { r: (n * 53) % 256, g: name === 'cats' ? 40 : 220, b: (n * 101) % 256 };
        const plain = sharp({ create: { width: 2400, height: 1600, channels: 3, background } });
        await writeFile(join(folder, 'pets', name, `${n}.png`), await plain.png().toBuffer());
      }
    }
    await writeFile(join(folder, 'pets', 'broken.jpg'), large.subarray(0, 2000));
    await writeFile(join(folder, 'pets', 'text, no picture.png'), 'this is text');
    await writeFile(join(folder, 'pets', 'empty.png'), '');
    await writeFile(join(folder, 'pets', 'notes.txt'), 'left out');
    server = spawnServer({ ...tiny.env, DROP: 'off', CHUNK_SIZE: '4' });
    [url, browser] = await Promise.all([server.url, openBrowser()]);
  });
  after(async () => {
    await browser?.close();
    server?.child.kill('SIGKILL');
    await server?.exit;
    await tiny?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('a dropped folder: its plan, progress with rate and time left, failures with reasons, and both downloads', async () => {
    const page = await browser.open(`${url}/#batch`, { acceptDownloads: true });
    await page.waitForSelector('#job-list .empty');
    const findings = await auditPage(page, 'batch-empty');
    await dropFiles(page, [join(folder, 'pets')]);
    await page.waitForSelector('#batch-message .plan table');
    const review = (await page.textContent('#batch-message')) ?? '';
    assert.match(review, /^pets42 pictures, /);
    assert.match(review, /Not sent: 1 file that is not a picture, 1 empty file\./);
    for (const where of ['This machine', 'Lambda, 3,008 MB', 'Fargate, on demand', 'Fargate Spot']) {
      assert.ok(review.includes(where), where);
    }
    await page.click('.plan summary');
    const plan = (await (
      await fetch(`${url}/plan?images=42&imageBytes=${await averageBytes(page.asked)}`)
    ).json()) as { estimates: { arithmetic: string[] }[] };
    const arithmetic = await page.locator('.plan pre').allTextContents();
    assert.deepEqual(
      arithmetic,
      plan.estimates.map(({ arithmetic }) => arithmetic.join('\n')),
    );
    findings.push(...(await auditPage(page, 'batch-review')));

    await page.click('button:has-text("Classify 42 pictures")');
    await page.waitForSelector('#job-view .badge');
    const [, jobId = ''] = /#batch\/([\w-]+)$/.exec(page.url()) ?? [];
    // The worker is held twice with some of its rows written: between them lies the progress that the rate is made of.
    const worker = await workerOf(server);
    for (const least of [1, 6]) {
      await doneOf(url, jobId, least);
      process.kill(worker, 'SIGSTOP');
      const done = await doneOf(url, jobId, least);
      await page.locator('#job-view .figures', { hasText: `Done${done} of 42` }).waitFor();
      if (least === 1) process.kill(worker, 'SIGCONT');
    }
    const rate = page.locator('#job-view .figures');
    await rate.filter({ hasText: /Rate\d+\.\d \/ sTime leftabout \d+/ }).waitFor();
    findings.push(...(await auditPage(page, 'batch-running')));
    process.kill(worker, 'SIGCONT');
    await page.waitForSelector('#job-view .badge:has-text("Done, with failures")');
    assert.match((await page.textContent('#job-view .figures')) ?? '', /Done42 of 42Failed2/);

    // Every result is shown, and the failures with their reasons above them.
    await page.waitForSelector('.results tbody tr');
    const files = () => page.locator('.results tbody td.file').allTextContents();
    const all = await files();
    assert.equal(all.length, 42);
    assert.ok(all.includes('pets/cats/0.png') && all.includes('pets/dogs/0.png'), 'folders are kept apart');
    assert.ok((await page.locator('td.file wbr').count()) >= 80, 'names break after each part of the path');
    assert.match((await page.textContent('.failures')) ?? '', /^2 pictures failed: /);
    const thumbnails = () => page.asked.filter((address) => address.includes('/thumbnail?'));
    await page.waitForSelector('.thumb img');
    assert.ok(thumbnails().length < 40, 'what is far out of view is not asked for');
    findings.push(...(await auditPage(page, 'batch-results')));
    await page.click('.failures button');
    const failed = ['pets/broken.jpg', 'pets/text, no picture.png'];
    assert.deepEqual((await files()).sort(), failed);
    assert.equal(await page.locator('.results tbody img').count(), 0);
    findings.push(...(await auditPage(page, 'batch-failures')));
    const jsonl = await (await fetch(`${url}/batch/${jobId}/results`)).text();
    const rows = jsonl
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    for (const { error } of rows.filter((row) => row.error)) {
      await page.selectOption('.filters select', error?.code ?? '');
      const cells = (await page.textContent('.results tbody')) ?? '';
      assert.ok(cells.includes(error?.message ?? '?'), `${error?.code} is given with its sentence`);
    }
    assert.ok(!thumbnails().some((address) => /broken|no%20picture/.test(address)), 'failures have none');

    // By label and by probability.
    const good = rows.filter(({ predictions }) => predictions);
    const labels = new Set(good.map(({ predictions }) => predictions?.[0]?.label));
    assert.ok(labels.size > 1, 'the model tells the pictures apart');
    const [label = ''] = labels;
    await page.selectOption('.filters select', 'all');
    await page.fill('.filters input', label.toUpperCase());
    const wanted = good.filter(({ predictions }) => predictions?.[0]?.label === label);
    assert.equal((await files()).length, wanted.length);
    assert.equal(await page.textContent('.results [role=status]'), `${wanted.length} of 42 results`);
    await page.fill('.filters input', 'no such label');
    assert.equal((await files()).length, 0);
    await page.fill('.filters input', '');
    const probabilities = good
      .map(({ predictions }) => predictions?.[0]?.probability ?? 0)
      .sort((a, b) => a - b);
    const shown = () => page.locator('.results tbody td.number').allTextContents();
    const percents = probabilities.map((value) => `${(value * 100).toFixed(1)} %`);
    await page.selectOption('.filters select >> nth=1', 'least');
    assert.deepEqual(await shown(), percents);
    assert.deepEqual((await files()).slice(-2).sort(), failed, 'failures have no probability and come last');
    await page.selectOption('.filters select >> nth=1', 'most');
    assert.deepEqual(await shown(), percents.toReversed());

    const save = async (label: string) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.click(`button:has-text("${label}")`),
      ]);
      return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
    };
    assert.deepEqual(await save('JSON Lines'), { name: `results-${jobId}.jsonl`, text: jsonl });
    const csv = await save('CSV');
    assert.equal(csv.name, `results-${jobId}.csv`);
    const table = parse(csv.text, { columns: true }) as Record<string, string>[];
    assert.deepEqual(
      table.map((line) => [line.key, line.label, line.probability, line.error_code, line.error_message]),
      rows.map(({ key, predictions, error }) => [
        key,
        predictions?.[0]?.label ?? '',
        String(predictions?.[0]?.probability ?? ''),
        error?.code ?? '',
        error?.message ?? '',
      ]),
    );

    const report = await save('Report');
    assert.equal(report.name, `report-${jobId}.html`);
    assert.match(report.text, /^<!doctype html>/i);

    await page.click('.back');
    await page.waitForSelector('#job-list tbody tr');
    findings.push(...(await auditPage(page, 'batch-jobs')));
    assert.deepEqual(findings, []);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('a folder with no picture, and one larger than the page takes, are refused before anything is sent', async () => {
    const page = await browser.open(`${url}/#batch`);
    await page.waitForSelector('#job-list > *');
    await page.setInputFiles('#file-many', {
      name: 'a.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('a'),
    });
    await page.waitForSelector('#batch-message:has-text("There are no pictures to classify")');
    await page.evaluate(`{
      const piece = new Uint8Array(1e6);
      const transfer = new DataTransfer();
      for (let n = 0; n < 101; n++) {
        transfer.items.add(new File(Array.from({ length: 20 }, () => piece), n + '.jpg', { type: 'image/jpeg' }));
      }
      const input = document.getElementById('file-many');
      input.files = transfer.files;
      input.dispatchEvent(new Event('change'));
    }`);
    await page.waitForSelector('#batch-message:has-text("These are too many bytes")');
    assert.match(
      (await page.textContent('#batch-message')) ?? '',
      /The 101 pictures have 2\.0 GB; this page sends up to 2\.0 GB\..* under input\//,
    );
    assert.deepEqual(
      page.asked.filter((asked) => /\/(plan|predict)\?/.test(asked)),
      [],
    );
    await page.context().close();
  });

  test('where requests are small, as on Lambda, pictures go in parts below that size, and none is lost', async () => {
    const store = await tempStore();
    const models = createGatedModels();
    const batch = tempBatch(store, idleQueue());
    const limits = { maxUploadBytes: 40_000, maxFormBytes: 40_000 };
    const small = await startApp({ models, objects: store, batch, config: limits });
    const page = await browser.open(`${small.url}/#batch`);
    await page.waitForSelector('#job-list .empty');
    const sizes: number[] = [];
    small.app.server.on('request', ({ method, headers }) => {
      if (method === 'POST') sizes.push(Number(headers['content-length']));
    });
    const jpeg = await picture(400, 300);
    const buffer = Buffer.concat([jpeg, Buffer.alloc(15_000 - jpeg.length)]);
    const files = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
      name: `${name}.jpg`,
      mimeType: 'image/jpeg',
      buffer,
    }));
    const big = { name: 'big.jpg', mimeType: 'image/jpeg', buffer: Buffer.alloc(40_001) };
    await page.setInputFiles('#file-many', [...files, big]);
    await page.waitForSelector('#batch-message:has-text("1 picture over 40 KB")');
    await page.click('button:has-text("Classify 5 pictures")');
    await page.waitForSelector('#job-view .badge');
    assert.equal(sizes.length, 3);
    assert.ok(
      sizes.every((size) => size <= 40_000),
      `${sizes}`,
    );
    const stored: string[] = [];
    for await (const { key } of store.list('jobs/'))
      if (key.includes('/uploads/')) stored.push(key.replace(/.*\//, ''));
    assert.deepEqual(
      stored.sort(),
      files.map(({ name }) => name),
    );
    await page.context().close();

    // Away for a moment while pictures are on their way: they are sent again, and it is said why it takes longer.
    const later = await browser.open(`${small.url}/#batch`);
    await later.setInputFiles('#file-many', files.slice(0, 1));
    await later.waitForSelector('#batch-message .plan table');
    await small.close();
    await later.click('button:has-text("Classify 1 picture")');
    await later.waitForSelector('#batch-message:has-text("The service does not answer. Trying again in")');
    const back = await startApp({ models, objects: store, batch, config: limits, port: small.port });
    await later.waitForSelector('#job-view .badge');
    await later.context().close();
    await back.close();
    await batch.close();
    await models.close();
    await store.close();
  });

  test('when the service goes away while a job is watched, the page says so and keeps asking', async () => {
    const page = await browser.open(`${url}/#batch`);
    await page.setInputFiles('#file-folder', join(folder, 'pets'));
    await page.click('button:has-text("Classify 42 pictures")');
    await page.waitForSelector('#job-view .badge');
    server.child.kill('SIGKILL');
    await page.waitForSelector('#job-view .notice:has-text("The service does not answer")');
    assert.match((await page.textContent('#job-view .notice')) ?? '', /asks again every 3 seconds/);
    assert.deepEqual(await auditPage(page, 'batch-gone'), []);
    await page.context().close();
  });
});

/** What the page asked the plan for. */
async function averageBytes(asked: readonly string[]): Promise<string> {
  const address = asked.find((one) => one.includes('/plan?'));
  assert.ok(address);
  const query = new URL(address).searchParams;
  assert.equal(query.get('images'), '42');
  return query.get('imageBytes') ?? '';
}

/** The server's one worker process, once there is one. */
async function workerOf({ child: { pid } }: ServerProcess): Promise<number> {
  const children = () => readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(await until('the start of a worker', async () => (await children()).split(' ')[0]));
}

/** How many pictures of a job are done, once so many are. */
async function doneOf(url: string, jobId: string, least: number): Promise<number> {
  return until(`the end of ${least} pictures`, async () => {
    const { counts } = (await (await fetch(`${url}/batch/${jobId}`)).json()) as {
      counts: { succeeded: number; failed: number };
    };
    const done = counts.succeeded + counts.failed;
    return done >= least && done;
  });
}
