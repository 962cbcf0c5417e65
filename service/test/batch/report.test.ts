import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { makeReport, type ReportOptions } from '../../src/batch/report/report.ts';
import { summarizeRows } from '../../src/batch/report/summarize.ts';
import type { Job, ResultRow } from '../../src/domain/job/job.ts';
import { jobLayout } from '../../src/domain/job/job-layout.ts';
import { createThumbnailer } from '../../src/inference/image/thumbnail.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { picture, tempStore } from '../helpers/batch-fixture.ts';
import { auditPage, browserMissing, openBrowser } from '../web/support/browser.ts';

const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(1)>&\u202egpj.\n'`;

const job: Job = {
  format: 1,
  jobId: 'r-report',
  createdAt: '2026-01-31T09:30:00.000Z',
  origin: 'request',
  model: 'resnet50',
  topK: 3,
  precision: 'int8',
  source: { kind: 'prefix', prefix: `input/${HOSTILE}/` },
  shardSize: 5000,
  chunkSize: 128,
};

const lines = (rows: readonly ResultRow[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

async function* chunk(rows: readonly ResultRow[]): AsyncGenerator<Buffer> {
  yield Buffer.from(lines(rows));
}

const image = (key: string, probability: number, label = 'tabby, tabby cat', etag?: string): ResultRow => ({
  key,
  ...(etag === undefined ? {} : { etag }),
  model: 'resnet50',
  version: '1.0.4',
  predictions: [
    { label, index: 281, probability },
    { label: 'Egyptian cat', index: 285, probability: (1 - probability) / 2 },
  ],
});

async function reportOf(
  objects: ObjectStore,
  rows: readonly ResultRow[],
  options: Partial<ReportOptions> = {},
): Promise<string> {
  await objects.put(jobLayout(job.jobId).chunk(0, 0), lines(rows));
  const failed = rows.filter(({ error }) => error).length;
  const counts = { total: rows.length, succeeded: rows.length - failed, failed, pending: 0 };
  const facts = { status: 'PARTIAL', counts, finishedAt: '2026-01-31T09:32:05.000Z' } as const;
  return makeReport(job, facts, { objects, ...options });
}

/** A job with many labels, failures and pictures, most of which exist. */
async function fullReport(objects: ObjectStore): Promise<string> {
  const rows: ResultRow[] = [];
  for (let n = 0; n < 400; n++) {
    const key = `input/holiday/${n === 7 ? HOSTILE : `IMG_${n}`}.png`;
    if (n % 9 === 4) {
      rows.push({
        key,
        error: { code: n % 2 ? 'UNREADABLE_IMAGE' : 'IMAGE_TOO_LARGE', message: `${HOSTILE} ${n}` },
      });
      continue;
    }
    const probability = n === 7 ? 0.01 : ((n * 37) % 100) / 100;
    const { etag } =
      n % 100 < 60 ? await objects.put(`input/holiday/${n}.png`, await picture(n)) : { etag: 'gone' };
    rows.push({
      ...image(key, probability, `label ${(n * n) % 37}`, etag),
      key: n === 7 ? key : `input/holiday/${n}.png`,
    });
  }
  const thumbnail = createThumbnailer({ maxPixels: 1_000_000 });
  return reportOf(objects, rows, { thumbnail, maxImageBytes: 100_000 });
}

describe('the summary of rows', () => {
  test('counts labels, failures, certainty and models, with the least certain first', async () => {
    const error = { code: 'UNREADABLE_IMAGE', message: 'cut short' };
    const rows = [
      image('a', 0.95),
      image('b', 0.05, 'pug'),
      ...Array.from({ length: 8 }, (_, n) => ({ key: `bad ${n}`, error })),
      image('c', 0.05),
      image('d', 1),
    ];
    const summary = await summarizeRows(chunk(rows));
    assert.deepEqual(
      [...summary.labels],
      [
        ['tabby, tabby cat', 3],
        ['pug', 1],
      ],
    );
    assert.deepEqual(summary.bins, [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert.deepEqual(
      summary.uncertain.map(({ key }) => key),
      ['b', 'c', 'a', 'd'],
    );
    const failure = summary.failures.get('UNREADABLE_IMAGE');
    assert.deepEqual(
      [failure?.count, failure?.examples.map(({ key }) => key)],
      [8, [0, 1, 2, 3, 4].map((n) => `bad ${n}`)],
    );
    assert.deepEqual([...summary.models], ['resnet50 1.0.4']);
  });

  test('is about the rows of a table file', async () => {
    const predictions = [
      { label: 'setosa', index: 0, probability: 0.6, probabilities: { setosa: 0.6, other: 0.4 } },
      { error: { code: 'INVALID_REQUEST', message: 'row 2' } },
      { value: 2 },
      { value: 4 },
    ];
    const { isTable, labels, failures, values } = await summarizeRows(chunk([{ key: 't.csv', predictions }]));
    assert.ok(isTable);
    assert.deepEqual([...labels], [['setosa', 1]]);
    assert.equal(failures.get('INVALID_REQUEST')?.examples[0]?.row, 2);
    assert.deepEqual(values, { count: 2, minimum: 2, maximum: 4, mean: 3 });
  });

  test('has a bounded size, whatever the rows hold', async () => {
    async function* many() {
      for (let n = 0; n < 200; n++) {
        const rows = Array.from({ length: 100 }, (_, i) =>
          image(`k${n}-${i}`, (i % 10) / 10, `label ${n} ${i}`),
        );
        yield Buffer.from(lines(rows.map((row, i) => ({ ...row, version: `1.${i}` }))));
      }
    }
    const { labels, otherLabels, uncertain, models } = await summarizeRows(many());
    assert.deepEqual([labels.size, otherLabels, uncertain.length, models.size], [10_000, 10_000, 24, 10]);
  });
});

describe('the report', () => {
  test('escapes every text, and holds no script and no address of another host', async () => {
    const objects = await tempStore();
    try {
      const report = await fullReport(objects);
      assert.doesNotMatch(report, /<script|<img src=x|\u202e/i);
      assert.match(
        report,
        /&quot;&gt;&lt;script&gt;alert\(1\)&lt;\/script&gt;&lt;img src=x onerror=alert\(1\)&gt;&amp;\\u202egpj/,
      );
      assert.doesNotMatch(report, /https?:|url\(|@import|href=/);
      for (const [, address = ''] of report.matchAll(/src="([^"]*)"/g))
        assert.match(address, /^data:image\/webp;base64,/);
      assert.match(report, /content="default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-/);
      const pictures = report.match(/data:image\/webp/g)?.length ?? 0;
      assert.ok(pictures > 5 && pictures < 24, `${pictures} pictures`);
      assert.match(report, /no thumbnail/);
      assert.match(report, /2 min 5 s/);
      assert.match(report, /about \$\d/);
      assert.ok(report.length < 500_000, `${report.length} characters`);
    } finally {
      await objects.close();
    }
  });

  test('of a job without a row is a page, too', async () => {
    const objects = await tempStore();
    try {
      assert.match(await reportOf(objects, []), /<dd>0<\/dd>[\s\S]*<\/html>/);
    } finally {
      await objects.close();
    }
  });

  test('ends with the store, not with a page that lacks something', async () => {
    const objects = await tempStore();
    const broken = {
      ...objects,
      get: async () => {
        throw new Error('the store is away');
      },
    };
    try {
      await objects.put(jobLayout(job.jobId).chunk(0, 0), lines([image('a', 1)]));
      await assert.rejects(
        makeReport(
          job,
          { status: 'RUNNING', counts: { total: 1, succeeded: 1, failed: 0, pending: 0 } },
          { objects: broken },
        ),
        /the store is away/,
      );
    } finally {
      await objects.close();
    }
  });

  test('opens as a file in Chromium: no request, no fault, no violation, in light, dark and on a phone', {
    skip: browserMissing,
  }, async () => {
    const objects = await tempStore();
    const folder = await mkdtemp(join(tmpdir(), 'report-'));
    const browser = await openBrowser();
    try {
      const file = join(folder, 'report.html');
      await writeFile(file, await fullReport(objects));
      const page = await browser.open(pathToFileURL(file).href);
      assert.deepEqual(await auditPage(page, 'report'), []);
      const sizes = await page.evaluate(
        '[...document.images].map((image) => image.complete && image.naturalWidth > 0)',
      );
      assert.ok((sizes as boolean[]).length > 5 && (sizes as boolean[]).every(Boolean), String(sizes));
      assert.deepEqual(page.faults, []);
      assert.deepEqual(
        page.asked.filter((address) => !address.startsWith('data:')),
        [pathToFileURL(file).href],
      );
    } finally {
      await browser.close();
      await objects.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
