import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { PRICES } from '../../src/domain/estimate/prices.ts';
import { picture } from '../helpers/batch-fixture.ts';
import { fromRoot } from '../helpers/root.ts';
import { spawnServer } from '../helpers/server-process.ts';
import { makeTinyModel, type TinyModel } from '../helpers/tiny-model.ts';
import { until } from '../helpers/until.ts';

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
  readonly datasource?: { readonly uid: string };
}

const folder = fromRoot('docker', 'compose', 'grafana');
const dashboards = join(folder, 'dashboards');
const dashboard = JSON.parse(readFileSync(join(dashboards, 'ml-serverless.json'), 'utf8')) as {
  panels: readonly Panel[];
  templating: { list: readonly { name: string; query: string }[] };
};
const prometheus = parse(readFileSync(fromRoot('docker', 'compose', 'prometheus.yml'), 'utf8')) as {
  scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
};
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

describe('the dashboard', () => {
  it('answers five questions', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    assert.deepEqual(rows, [
      'Is it up?',
      'How fast is it?',
      'How full is it?',
      'What fails?',
      'What does it cost?',
    ]);
    assert.deepEqual(readdirSync(dashboards), ['ml-serverless.json']);
  });

  it('fills every line of 24 columns, and no panel lies on another', () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !taken.has(`${x} ${y}`), title);
          taken.add(`${x} ${y}`);
        }
      }
    }
    const height = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h));
    assert.equal(taken.size, 24 * height);
  });

  it('calculates with the prices of the price list', () => {
    const variable = (name: string) => dashboard.templating.list.find((each) => each.name === name)?.query;
    assert.equal(Number(variable('vcpu_hour')), PRICES.fargate.vcpuHour.x86_64);
    assert.equal(Number(variable('gb_hour')), PRICES.fargate.gbHour.x86_64);
  });

  it('reads the data source that is provisioned', () => {
    const { datasources } = parse(
      readFileSync(join(folder, 'provisioning', 'datasources', 'prometheus.yml'), 'utf8'),
    ) as {
      datasources: { uid: string; url: string }[];
    };
    const uids = new Set(datasources.map(({ uid }) => uid));
    for (const { datasource, title, type } of dashboard.panels)
      if (type !== 'row') assert.ok(uids.has(datasource?.uid ?? ''), title);
    assert.deepEqual(prometheus.scrape_configs[0]?.static_configs[0]?.targets, ['api:8080']);
  });
});

/** What an expression selects: a metric, the labels it tells apart, and the values it asks for. */
interface Selection {
  readonly expr: string;
  readonly metric: string;
  readonly labels: readonly string[];
  readonly equals: readonly string[];
}

const NOT_METRICS = new Set([
  'sum',
  'min',
  'max',
  'rate',
  'increase',
  'histogram_quantile',
  'vector',
  'by',
  'or',
]);

function selectionsOf(expr: string): Selection[] {
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/));
  const bare = expr.replace(/\bby \([^)]*\)/g, '').replace(/\$\w+|\[[^\]]*\]/g, ' ');
  return [...bare.matchAll(/\b([a-z][a-z0-9_]*)(?:\{([^}]*)\})?/g)]
    .filter(([, name = '']) => !NOT_METRICS.has(name))
    .map(([, metric = '', matchers = '']) => {
      const pairs = [...matchers.matchAll(/(\w+)(=~|!=|=)("[^"]*")/g)];
      return {
        expr,
        metric,
        labels: [...new Set([...pairs.map(([, label = '']) => label), ...grouped])],
        equals: pairs.filter(([, , sign]) => sign === '=').map(([, label, , value]) => `${label}=${value}`),
      };
    });
}

describe('the metrics that the dashboard asks for', () => {
  let model: TinyModel | undefined;
  let metrics = '';

  before(async () => {
    model = await makeTinyModel();
    const server = spawnServer({ ...model.env, DROP: 'off' });
    try {
      const url = await server.url;
      const bytes = new Uint8Array(await picture(1));
      const send = async (body: Uint8Array<ArrayBuffer> | string) =>
        (await fetch(`${url}/predict`, { method: 'POST', headers: { 'content-type': 'image/png' }, body }))
          .status;
      assert.deepEqual([await send(bytes), await send('no picture')], [200, 422]);
      const form = new FormData();
      form.set('a', new Blob([bytes]), 'a.png');
      form.set('b', new Blob(['no picture']), 'b.png');
      assert.equal((await fetch(`${url}/batch`, { method: 'POST', body: form })).status, 202);
      // The worker's rows are counted when it ends.
      await until("the job's end in the metrics", async () => {
        metrics = await (await fetch(`${url}/metrics`)).text();
        return metrics.includes('batch_jobs_total{event="succeeded"} 1');
      });
    } finally {
      server.child.kill('SIGTERM');
      await server.exit;
    }
  });
  after(() => model?.close());

  it('are all told by a running service, with the labels and values that are asked for', () => {
    const selections = expressions.flatMap(selectionsOf);
    const asked = new Set(selections.map(({ metric }) => metric));
    for (const name of ['batch_rows_total', 'inference_batch_size_sum', 'http_requests_total', 'up'])
      assert.ok(asked.has(name), `${name} is asked for, among ${[...asked]}`);
    const series = metrics.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const { expr, metric, labels, equals } of selections) {
      if (metric === 'up') {
        // Prometheus' own, by the name of the job.
        assert.deepEqual(equals, [`job="${prometheus.scrape_configs[0]?.job_name}"`], expr);
        continue;
      }
      const found = series.filter(
        (line) =>
          (line.startsWith(`${metric}{`) || line.startsWith(`${metric} `)) &&
          labels.every((label) => line.includes(`${label}="`)) &&
          equals.every((pair) => line.includes(pair)),
      );
      assert.ok(found.length > 0, `nothing in /metrics for ${metric} of ${expr}`);
    }
  });

  it('tell rows of batch jobs apart by outcome', () => {
    assert.match(metrics, /^batch_rows_total\{code="OK"\} 1$/m);
    assert.match(metrics, /^batch_rows_total\{code="UNREADABLE_IMAGE"\} 1$/m);
    assert.match(metrics, /^batch_rows_total\{code="OBJECT_NOT_FOUND"\} 0$/m);
  });
});
