// Asks Prometheus what the dashboard's panels ask, while there are requests.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, until } from './harness.mjs';

/** What Grafana would put in the place of its own variables. */
const VARIABLES = { __rate_interval: '1m', __range: '15m' };

export async function testDashboard({ root, prometheus, api, picture }) {
  const file = join(root, 'docker', 'compose', 'grafana', 'dashboards', 'ml-serverless.json');
  const { panels, templating } = JSON.parse(await readFile(file, 'utf8'));
  const variables = {
    ...VARIABLES,
    ...Object.fromEntries(templating.list.map(({ name, query }) => [name, query])),
  };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  for (const expression of expressions) {
    const query = expression.replaceAll(/\$(\w+)/g, (_, name) => variables[name]);
    if (query.includes('batch_rows_total')) await runJob(api, picture);
    await until(
      `an answer to ${query}`,
      async () => {
        // Both kinds of requests that the panels tell apart: good ones, and ones that fail.
        await fetch(`${api}/predict`, {
          method: 'POST',
          body: picture,
          headers: { 'content-type': 'image/jpeg' },
        });
        await fetch(`${api}/predict`, {
          method: 'POST',
          body: 'no picture',
          headers: { 'content-type': 'image/jpeg' },
        });
        const answer = await fetch(`${prometheus}/api/v1/query?${new URLSearchParams({ query })}`);
        const { status, data, error } = await answer.json();
        assert(status === 'success', error);
        return data.result.length > 0 && data.result.every(({ value }) => Number.isFinite(Number(value[1])));
      },
      60_000,
    );
  }
  return `${expressions.length} queries`;
}

/** A job with a row of each kind, to its end. */
async function runJob(api, picture) {
  const form = new FormData();
  form.set('good', new Blob([picture]), 'good.jpg');
  form.set('bad', new Blob(['no picture']), 'bad.jpg');
  const answer = await fetch(`${api}/batch`, { method: 'POST', body: form });
  const { jobId } = await answer.json();
  assert(answer.status === 202, `POST /batch answered ${answer.status}`);
  await until(`the end of job ${jobId}`, async () => {
    const job = await (await fetch(`${api}/batch/${jobId}`)).json();
    return job.status === 'PARTIAL';
  });
}
