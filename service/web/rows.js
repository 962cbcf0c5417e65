import { call } from './api.js';
import { el } from './dom.js';

/** The rows of jobs as they arrive, job after job, in the order of the inputs. */
export async function* rowsOf(jobs, signal) {
  for (const { jobId } of jobs) {
    const response = await call(`batch/${jobId}/results`, { signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let index = 0; ; ) {
      const { done, value = '' } = await reader.read();
      const lines = (rest + value).split('\n');
      rest = done ? '' : lines.pop();
      for (const line of lines) if (line !== '') yield { ...JSON.parse(line), jobId, index: index++ };
      if (done) break;
    }
  }
}

/** Downloads all rows as a file. @param {'csv' | 'jsonl'} kind */
export async function download(jobs, kind, signal) {
  const parts = [];
  for (const { jobId } of jobs) {
    const response = await call(`batch/${jobId}/results?format=${kind}`, { signal });
    const blob = await response.blob();
    const hasHeader = kind === 'csv' && parts.length > 0;
    parts.push(hasHeader ? blob.slice((await blob.text()).indexOf('\n') + 1) : blob);
  }
  const type = kind === 'csv' ? 'text/csv;charset=utf-8' : 'application/x-ndjson';
  save(new Blob(parts, { type }), `results-${jobs[0].jobId}.${kind}`);
}

/** Downloads the report of each job. A link could not send the API key. */
export async function downloadReports(jobs, signal) {
  for (const { jobId } of jobs) {
    const response = await call(`batch/${jobId}/report`, { signal });
    save(await response.blob(), `report-${jobId}.html`);
  }
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el('a', { href: url, download: name }).click();
  // Some browsers read the address after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A file of rows has one prediction per row instead of the classes of one picture. */
export const isTable = ({ predictions = [] }) =>
  predictions.some((each) => !('index' in each) || 'probabilities' in each);

/** `jobs/<id>/uploads/<request>/cat.jpg` and `input/cat.jpg` are both shown as `cat.jpg`. */
export const fileOf = ({ key }) => key.replace(/^jobs\/[^/]+\/uploads\/[0-9a-f]{16}\/|^input\//, '');
