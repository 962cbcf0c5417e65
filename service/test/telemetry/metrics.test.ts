import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ITEM_FAULTS } from '../../src/domain/job/job.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { createGatedModels } from '../helpers/gated-models.ts';
import { picture } from '../helpers/pictures.ts';
import { startApp, type TestApp } from '../helpers/test-app.ts';

describe('the cardinality of labels', () => {
  const models = createGatedModels();
  let server: TestApp;
  before(async () => {
    server = await startApp({ models });
  });
  after(async () => {
    await server.close();
    await models.close();
  });
  /** Without the process's own: a kind of garbage collection appears when it first happens. */
  const series = async () => {
    const { text } = await server.http.get('/metrics');
    return text.split('\n').filter((line) => line !== '' && !/^(#|nodejs_|process_)/.test(line)).length;
  };

  test('made-up paths, ids, methods and models add no series', async () => {
    const image = await picture();
    const round = async (n: number) => {
      await server.http.get(`/no/such/path-${n}`);
      await server.http.get(`/batch/job-${n}`);
      await server.http.post(`/predict?model=made-up-${n}`).set('content-type', 'image/jpeg').send(image);
      await server.http.post('/predict').set('content-type', `image/made-up-${n}`).send(image);
      await fetch(`${server.url}/predict`, { method: `PROPFIND` });
    };
    await round(0);
    // Requests to /metrics are counted, too: they have series from the second one on.
    await series();
    const before = await series();
    for (let n = 1; n <= 20; n++) await round(n);
    assert.equal(await series(), before);
    const { text } = await server.http.get('/metrics');
    assert.doesNotMatch(text, /made-up|path-\d|job-\d/);
    assert.match(text, /http_requests_total\{method="GET",route="\/batch\/:jobId"/);
  });
});

test('rows and jobs start at 0, so that the first of a kind is an increase', async () => {
  const { registry } = createMetrics();
  const text = await registry.metrics();
  for (const code of ['OK', ...ITEM_FAULTS])
    assert.ok(text.includes(`batch_rows_total{code="${code}"} 0\n`), code);
  for (const event of ['submitted', 'succeeded', 'failed', 'cancelled']) {
    assert.ok(text.includes(`batch_jobs_total{event="${event}"} 0\n`), event);
  }
});

test('an unknown code is counted as other', async () => {
  const metrics = createMetrics();
  metrics.rows({ OK: 3, UNREADABLE_IMAGE: 2 });
  metrics.rows({ OK: 1, [`x${Math.random()}`]: 1, y: 4, INTERNAL: 0 });
  const text = await metrics.registry.getSingleMetricAsString('batch_rows_total');
  assert.deepEqual(
    text
      .split('\n')
      .filter((line) => /^batch_rows_total\{.* [1-9]\d*$/.test(line))
      .sort(),
    [
      'batch_rows_total{code="OK"} 4',
      'batch_rows_total{code="UNREADABLE_IMAGE"} 2',
      'batch_rows_total{code="other"} 5',
    ],
  );
});
