import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fromRoot } from '../../helpers/root.ts';
import { until } from '../../helpers/until.ts';
import { post, readJson } from './requests.ts';

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
}

interface QueryResult {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** Asks Prometheus every query of the dashboard's panels while there are requests. @returns how many */
export async function queryDashboard(prometheus: string, api: string, picture: Buffer): Promise<number> {
  const file = fromRoot('docker', 'compose', 'grafana', 'dashboards', 'ml-serverless.json');
  const { panels, templating } = JSON.parse(readFileSync(file, 'utf8')) as Dashboard;
  const variables: Record<string, string> = {
    // Grafana's own.
    __rate_interval: '1m',
    __range: '15m',
    ...Object.fromEntries(templating.list.map(({ name, query }) => [name, query])),
  };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  for (const expression of expressions) {
    const query = expression.replaceAll(/\$(\w+)/g, (_, name: string) => variables[name] ?? '');
    if (query.includes('batch_rows_total')) await runJob(api, picture);
    await until(`a result of ${query}`, async () => {
      // The panels tell requests that succeed from requests that fail.
      assert.equal((await post(`${api}/predict`, picture)).status, 200);
      assert.equal((await post(`${api}/predict`, Buffer.from('no picture'))).status, 422);
      const url = `${prometheus}/api/v1/query?${new URLSearchParams({ query })}`;
      const { status, data, error } = await readJson<QueryResult>(await fetch(url));
      assert.equal(status, 'success', error);
      return data.result.length > 0 && data.result.every(({ value }) => Number.isFinite(Number(value[1])));
    });
  }
  return expressions.length;
}

/** A job with one good and one bad row, to its end. */
async function runJob(api: string, picture: Buffer): Promise<void> {
  const form = new FormData();
  form.set('good', new Blob([new Uint8Array(picture)]), 'good.jpg');
  form.set('bad', new Blob(['no picture']), 'bad.jpg');
  const response = await fetch(`${api}/batch`, { method: 'POST', body: form });
  assert.equal(response.status, 202);
  const { jobId } = await readJson<{ jobId: string }>(response);
  await until(`the end of job ${jobId}`, async () => {
    const { status } = await readJson<{ status: string }>(await fetch(`${api}/batch/${jobId}`));
    return status === 'PARTIAL';
  });
}
